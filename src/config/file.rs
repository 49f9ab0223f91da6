//! The shape of config.json where it is only known and not yet acted on, object by object. What is
//! acted on is read, field by field, where its meaning is.

use super::reader::{
    Kind::{self, Any, Boolean, List, Number, Object, Text},
    Section,
};

/// What an object of the file holds besides what is acted on.
pub(super) struct Shape {
    /// Holds anyway, whatever is written.
    settled: &'static [&'static str],
    /// Protects: start is refused.
    protecting: &'static [&'static str],
    /// Said in one warning.
    idle: &'static [(&'static str, Kind)],
}

impl Shape {
    pub(super) fn read(&self, section: &Section<'_>) {
        for name in self.settled {
            section.field(name);
        }
        section.refuse(self.protecting);
        section.leave_idle(self.idle);
    }
}

pub(super) const FILE: Shape = Shape {
    settled: &["$schema"],
    protecting: &["access_profiles", "enable_governance", "guardrails_config", "scim_config"],
    idle: &[
        ("alerting", Any),
        ("audit_logs", Any),
        ("cluster_config", Object),
        ("config_store", Object),
        ("encryption_key", Any),
        ("env_label", Text),
        ("feature_flags", Any),
        ("framework", Object),
        ("large_payload_optimization", Any),
        ("load_balancer_config", Any),
        ("logs_store", Object),
        ("mcp", Object),
        ("skills_registry", Any),
        ("source_of_truth", Text),
        ("vector_store", Object),
        ("websocket", Object),
    ],
};

pub(super) const SERVER: Shape =
    Shape { settled: &[], protecting: &[], idle: &[("read_buffer_size", Number)] };

pub(super) const CLIENT: Shape = Shape {
    settled: &["disable_content_logging"],
    protecting: &[
        "enable_governance",
        "enforce_auth_on_inference",
        "enforce_governance_header",
        "enforce_scim_auth",
        "required_headers",
    ],
    idle: &[
        ("allow_per_request_content_storage_override", Boolean),
        ("allow_per_request_raw_override", Boolean),
        ("async_job_result_ttl", Number),
        ("compat", Object),
        ("disable_db_pings_in_health", Boolean),
        ("drop_excess_requests", Boolean),
        ("dual_credential_conflict_behavior", Text),
        ("dump_errors_in_console_logs", Boolean),
        ("enable_logging", Boolean),
        ("hide_deleted_virtual_keys_in_filters", Boolean),
        ("initial_pool_size", Number),
        ("log_retention_days", Number),
        ("logging_headers", List),
        ("mcp_agent_depth", Number),
        ("mcp_code_mode_binding_level", Text),
        ("mcp_disable_auto_tool_inject", Boolean),
        ("mcp_enable_temp_token_auth", Boolean),
        ("mcp_external_client_url", Any),
        ("mcp_server_auth_mode", Text),
        ("mcp_tool_execution_timeout", Any),
        ("mcp_tool_sync_interval", Any),
        ("oauth2_server_config", Object),
        ("prometheus_labels", List),
        ("routing_chain_max_depth", Number),
        ("vk_rotation_cooldown", Any),
        ("webhook_config", Object),
        ("whitelisted_routes", List),
    ],
};

pub(super) const GOVERNANCE: Shape = Shape {
    settled: &[],
    protecting: &["budgets", "model_configs", "providers", "rate_limits", "virtual_keys"],
    // Customers and teams own virtual keys and nothing else.
    idle: &[
        ("business_units", List),
        ("complexity_analyzer_config", Object),
        ("customers", List),
        ("pricing_overrides", List),
        ("projects", List),
        ("roles", List),
        ("routing_rules", List),
        ("teams", List),
    ],
};

pub(super) const AUTH: Shape = Shape {
    settled: &["admin_password", "admin_username", "disable_auth_on_inference"],
    protecting: &["is_enabled"],
    idle: &[],
};

pub(super) const PROVIDER: Shape = Shape {
    settled: &[],
    protecting: &[],
    idle: &[
        ("concurrency_and_buffer_size", Object),
        ("prompt_cache", Object),
        ("send_back_raw_request", Boolean),
        ("send_back_raw_response", Boolean),
        ("store_raw_request_response", Boolean),
    ],
};

pub(super) const OPENAI: Shape = Shape { settled: &[], protecting: &["disable_store"], idle: &[] };

pub(super) const CUSTOM_PROVIDER: Shape =
    Shape { settled: &[], protecting: &[], idle: &[("request_path_overrides", Object)] };

pub(super) const NETWORK: Shape = Shape {
    settled: &["allow_private_network"],
    protecting: &[],
    idle: &[
        ("beta_header_overrides", Object),
        ("enforce_http2", Boolean),
        ("max_conns_per_host", Number),
        ("max_retries", Number),
        ("retry_backoff_initial", Any),
        ("retry_backoff_initial_ms", Number),
        ("retry_backoff_max", Any),
        ("retry_backoff_max_ms", Number),
        ("stream_throughput_guard", Object),
    ],
};

/// The addresses and credentials that some providers want beside, or instead of, a key's value.
pub(super) const KEY: Shape = Shape {
    settled: &[],
    protecting: &[],
    idle: &[
        ("databricks_key_config", Object),
        ("github_copilot_key_config", Object),
        ("ollama_key_config", Object),
        ("replicate_key_config", Object),
        ("sgl_key_config", Object),
        ("vllm_key_config", Object),
    ],
};

pub(super) const ALIAS: Shape = Shape {
    settled: &[],
    protecting: &[],
    idle: &[
        ("api_version", Text),
        ("endpoint", Any),
        ("inference_profile_arn", Any),
        ("model_family", Text),
        ("project_id", Any),
        ("project_number", Any),
        ("region", Any),
    ],
};
