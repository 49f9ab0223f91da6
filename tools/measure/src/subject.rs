//! The proxies: configured alike, pinned to the same core, their processor time read from the kernel.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use tokio::{net::TcpStream, time::sleep};

use crate::{load::Connection, message, upstream};

/// A proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Kind {
    Nginx,
    Epoll,
    IoUring,
}

/// What all runs share.
pub struct Surroundings {
    gateway: PathBuf,
    nginx: PathBuf,
    dir: PathBuf,
    core: usize,
    identity: upstream::Identity,
}

/// A running proxy with its upstream; both end when dropped.
pub struct Subject {
    pub port: u16,
    /// Time from the start of the process to the first answer of 200.
    pub first_answer: Duration,
    child: Child,
    kind: Kind,
    _upstream: upstream::Upstream,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Epoll, Self::IoUring];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Epoll => "epoll",
            Self::IoUring => "io_uring",
        }
    }
}

impl Surroundings {
    pub fn prepare(gateway: &Path, nginx: &Path, dir: &Path, core: usize) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(dir)?;
        let dir = dir.canonicalize()?;
        let identity = upstream::Identity::new()?;
        Ok(Self { gateway: gateway.canonicalize()?, nginx: nginx.to_owned(), dir, core, identity })
    }
}

impl Subject {
    /// Starts a proxy in front of a new upstream and waits for its first answer.
    pub async fn start(
        kind: Kind,
        around: &Surroundings,
        is_encrypted: bool,
    ) -> Result<Self, Box<dyn Error>> {
        let upstream = upstream::start(is_encrypted.then_some(&around.identity)).await?;
        let port = free_port()?;
        let mut command = Command::new("taskset");
        command.args(["-c", &around.core.to_string()]);
        match kind {
            Kind::Nginx => {
                let path = around.dir.join("nginx.conf");
                fs::write(&path, nginx_config(around, port, upstream.port, is_encrypted)?)?;
                command.arg(&around.nginx).arg("-p").arg(&around.dir).arg("-c").arg(&path);
            }
            Kind::Epoll | Kind::IoUring => {
                let path = around.dir.join("config.json");
                fs::write(&path, gateway_config(around, upstream.port, is_encrypted))?;
                let engine = if kind == Kind::Epoll { "epoll" } else { "io-uring" };
                command.arg(&around.gateway).arg("--config").arg(&path).args([
                    "--host",
                    "127.0.0.1",
                    "--shards",
                    "1",
                ]);
                command.args(["--io", engine, "--port", &port.to_string(), "--log-style", "json"]);
            }
        }
        let log = fs::File::create(around.dir.join(format!("{}.log", kind.name())))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let began = Instant::now();
        let child = command.spawn()?;
        let mut subject = Self { port, first_answer: Duration::ZERO, child, kind, _upstream: upstream };
        subject.first_answer = subject.wait(began).await?;
        Ok(subject)
    }

    async fn wait(&mut self, began: Instant) -> Result<Duration, Box<dyn Error>> {
        let request = message::request("/v1/chat/completions", message::VERBATIM, 900, false);
        while began.elapsed() < Duration::from_secs(10) {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                Connection::open(self.port).await?.call(&request).await?;
                return Ok(began.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended with {status}: see its log", self.kind.name()).into());
            }
            sleep(Duration::from_micros(500)).await;
        }
        Err(format!("{} does not listen", self.kind.name()).into())
    }

    /// Processor time used so far by all its processes and threads, seconds.
    pub fn processor_seconds(&self) -> io::Result<f64> {
        let mut nanoseconds = 0;
        for process in self.processes()? {
            for task in fs::read_dir(format!("/proc/{process}/task"))? {
                let text = fs::read_to_string(task?.path().join("schedstat"))?;
                nanoseconds +=
                    text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(nanoseconds as f64 / 1e9)
    }

    /// Resident memory of all its processes, bytes.
    pub fn resident_bytes(&self) -> io::Result<f64> {
        let mut kilobytes = 0.0;
        for process in self.processes()? {
            let status = fs::read_to_string(format!("/proc/{process}/status"))?;
            let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
            kilobytes +=
                line.split_whitespace().nth(1).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        }
        Ok(kilobytes * 1024.0)
    }

    fn processes(&self) -> io::Result<Vec<u32>> {
        let main = self.child.id();
        let children = fs::read_to_string(format!("/proc/{main}/task/{main}/children"))?;
        Ok([main].into_iter().chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let patience = Instant::now() + Duration::from_secs(5);
        while Instant::now() < patience {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Keeps connections on both sides, writes its access log, and passes events at once.
fn nginx_config(around: &Surroundings, port: u16, upstream: u16, is_encrypted: bool) -> io::Result<String> {
    let dir = around.dir.display();
    let scheme = if is_encrypted { "https" } else { "http" };
    fs::write(around.dir.join("authority.pem"), &around.identity.authority_pem)?;
    Ok(format!(
        "daemon off; master_process on; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx.error.log;\n\
         user root;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n  access_log {dir}/nginx.access.log combined buffer=64k flush=1s;\n\
         keepalive_requests 1000000000; client_body_buffer_size 256k;\n\
         client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;\n\
         uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
         upstream provider {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
         server {{ listen 127.0.0.1:{port} backlog=1024;\n\
         location / {{ proxy_pass {scheme}://provider; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_set_header Authorization \"Bearer sk-upstream\"; proxy_buffering off;\n\
         proxy_ssl_server_name on; proxy_ssl_name localhost; proxy_ssl_trusted_certificate {dir}/authority.pem;\n\
         proxy_ssl_verify on; proxy_ssl_protocols TLSv1.2 TLSv1.3; }} }} }}\n"
    ))
}

/// Two weighted keys, a prefix to splice away: everything on.
fn gateway_config(around: &Surroundings, upstream: u16, is_encrypted: bool) -> String {
    let (scheme, trust) = if is_encrypted {
        let pem = around.identity.authority_pem.replace("\r", "").replace('\n', "\\n");
        ("https", format!(", \"ca_cert_pem\": \"{pem}\""))
    } else {
        ("http", String::new())
    };
    let host = if is_encrypted { "localhost" } else { "127.0.0.1" };
    format!(
        "{{\"providers\": {{\"openai\": {{\"keys\": [\
         {{\"name\": \"a\", \"value\": \"sk-upstream-a\", \"models\": [\"gpt-4o\", \"gpt-4o-mini\"], \"weight\": 0.7}},\
         {{\"name\": \"b\", \"value\": \"sk-upstream-b\", \"models\": [\"gpt-4o-mini\"], \"weight\": 0.3}}],\
         \"network_config\": {{\"base_url\": \"{scheme}://{host}:{upstream}\"{trust}}}}}, \
         \"anthropic\": {{\"keys\": [{{\"name\": \"c\", \"value\": \"sk-upstream-c\", \"models\": [\"*\"]}}], \
         \"network_config\": {{\"base_url\": \"{scheme}://{host}:{upstream}\"{trust}}}}}}}}}"
    )
}
