//! What is shipped for production agrees with the gateway; `tools/deploy/verify` runs it.

use std::{collections::BTreeSet, time::Duration};

use bifrost::config::{self, limits::DRAIN_TIME_MAX};
use serde_json::Value;

const CARGO: &str = include_str!("../Cargo.toml");
const DOCKERFILE: &str = include_str!("../Dockerfile");
const KUBERNETES: &str = include_str!("../tools/deploy/kubernetes.yaml");
const SECCOMP: &str = include_str!("../tools/deploy/seccomp.json");
const UNIT: &str = include_str!("../tools/deploy/bifrost.service");

#[test]
fn nobody_kills_a_gateway_that_still_drains() {
    let seconds = |text: &str, name: &str| number_after(text, name).map(Duration::from_secs).unwrap();
    assert!(seconds(UNIT, "TimeoutStopSec=") > DRAIN_TIME_MAX);
    let pause = seconds(KUBERNETES, "command: [sleep, \"");
    assert!(seconds(KUBERNETES, "terminationGracePeriodSeconds: ") > DRAIN_TIME_MAX + pause);
}

#[test]
fn the_manifests_configuration_is_well() {
    let block = KUBERNETES.split_once("config.json: |\n").unwrap().1;
    let text = block.lines().take_while(|line| line.starts_with("    ")).collect::<Vec<_>>().join("\n");
    let variable = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-test".to_owned());
    let (snapshot, warnings) = config::check(&text, &variable).unwrap();
    assert_eq!(snapshot.routes.accounts().len(), 1);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn the_seccomp_profile_denies_all_but_a_list_with_io_uring() {
    let profile: Value = serde_json::from_str(SECCOMP).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let allowed = |rule: &&Value| rule["action"] == "SCMP_ACT_ALLOW";
    let rules: Vec<_> = profile["syscalls"].as_array().unwrap().iter().filter(allowed).collect();
    let names = |rule: &Value| -> BTreeSet<String> {
        rule["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let whole: BTreeSet<_> =
        rules.iter().filter(|rule| rule["args"].is_null()).flat_map(|rule| names(rule)).collect();
    for name in ["io_uring_setup", "io_uring_enter", "io_uring_register", "execve", "futex"] {
        assert!(whole.contains(name), "{name}");
    }
    for name in ["bpf", "clone", "clone3", "mount", "perf_event_open", "ptrace", "setns", "socket", "unshare"]
    {
        assert!(!whole.contains(name), "{name}");
    }
}

#[test]
fn the_image_runs_as_nobody_who_is_known_and_the_manifest_as_the_same() {
    let user = number_after(DOCKERFILE, "USER ").unwrap();
    assert!(user > 0);
    assert_eq!(number_after(KUBERNETES, "runAsUser: "), Some(user));
}

#[test]
fn the_image_is_built_without_the_benches() {
    // Cargo looks for what is named without a path.
    let benches: Vec<_> = CARGO.split("[[bench]]").skip(1).collect();
    assert!(!benches.is_empty());
    assert!(benches.iter().all(|bench| bench.split("\n[").next().unwrap().contains("\npath = ")));
    assert!(!DOCKERFILE.contains("benches"));
}

/// The number that follows the first `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let digits: String = text.split_once(name)?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
