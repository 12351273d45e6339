//! Chromium without a window: opens a page as a user's browser would, lets its scripts run, and tells what became of it.
//!
//! Each load has a profile of its own, which goes with it. No name but this machine's is resolved, so nothing a page asks
//! of anybody else gets there; that it was asked is told all the same. Its clock is virtual: while no request is under way
//! it jumps to the next timer, so a load takes as long as the page needs and not longer.

use std::{env, fs, path::PathBuf, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::process::Command;

/// The names under which Chromium is installed; the first is Debian's package without a window.
const NAMES: [&str; 4] = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];
/// How much of its own time a page gets.
const VIRTUAL_MS: u32 = 20_000;
/// How long a load may take.
const LOAD_MAX: Duration = Duration::from_secs(60);

/// A page as it was once its scripts had run.
#[derive(Debug)]
pub struct Page {
    /// The document, as HTML.
    pub dom: String,
    /// What went to the console, uncaught errors and violations of policies included.
    pub console: Vec<String>,
    /// Every URL that was asked for over the network, that of the page itself included.
    pub requests: Vec<String>,
}

/// Opens this URL, `http://…` or `file://…`.
pub async fn load(url: &str) -> Page {
    let profile = tempfile::Builder::new().prefix("windrow-browser-").tempdir().expect("a folder for the profile");
    let log = profile.path().join("network.json");
    let mut command = Command::new(binary());
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--dump-dom"])
        .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--virtual-time-budget={VIRTUAL_MS}"))
        .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(url);
    // Whatever it keeps beside its profile it keeps below its home.
    command.env("HOME", profile.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LOAD_MAX, command.output()).await.unwrap_or_else(|_| panic!("{url} does not load"));
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (dom, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && !dom.is_empty(), "{url}: {}\n{said}", output.status);
    let console = said.lines().filter(|line| line.contains(":CONSOLE")).map(ToOwned::to_owned).collect();
    Page {
        dom,
        console,
        requests: requests(&fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}\n{said}", log.display()))),
    }
}

/// What this URL looks like in a window of 800 by 600, as a PNG.
pub async fn screenshot(url: &str) -> Vec<u8> {
    let profile = tempfile::Builder::new().prefix("windrow-browser-").tempdir().expect("a folder for the profile");
    let picture = profile.path().join("picture.png");
    let mut command = Command::new(binary());
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--window-size=800,600"]);
    command.arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
    command.arg(format!("--user-data-dir={}", profile.path().join("profile").display()));
    command.arg(format!("--screenshot={}", picture.display())).arg(url);
    command.env("HOME", profile.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LOAD_MAX, command.output()).await.unwrap_or_else(|_| panic!("{url} does not load"));
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    fs::read(&picture).unwrap_or_else(|error| panic!("{url}: {error}: {output:?}"))
}

impl Page {
    /// Fails if the page asked for anything over the network that does not begin with this, or its scripts complained.
    pub fn check_self_contained(&self, origin: &str) {
        let foreign: Vec<_> = self.requests.iter().filter(|url| !url.starts_with(origin) && !url.starts_with("data:")).collect();
        assert!(foreign.is_empty(), "not from {origin}: {foreign:?}");
        assert!(self.console.is_empty(), "{:#?}", self.console);
    }
}

/// The URLs in the browser's own account of what it did on the network.
fn requests(log: &str) -> Vec<String> {
    let log: Value = serde_json::from_str(log).unwrap_or_else(|error| panic!("the network's log: {error}"));
    let start = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    assert!(start.is_number(), "the network's log has no such event any more");
    let events = log["events"].as_array().expect("events");
    let started = events.iter().filter(|event| event["type"] == *start);
    started.filter_map(|event| event["params"]["url"].as_str().map(ToOwned::to_owned)).collect()
}

fn binary() -> PathBuf {
    let folders: Vec<_> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let found = NAMES.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()));
    found.unwrap_or_else(|| panic!("none of {NAMES:?} is installed: run tests/run, which installs {}", NAMES[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_page_does_and_does_wrong_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let page = r#"<title>t</title><p id="p">no</p><script>
            setTimeout(() => { document.getElementById("p").textContent = "yes"; notThere(); }, 3000);
            fetch("http://elsewhere.invalid/x").catch(() => {});
        </script>"#;
        fs::write(folder.path().join("page.html"), page).expect("written");
        let origin = format!("file://{}/", folder.path().display());
        let page = load(&format!("{origin}page.html")).await;
        assert!(page.dom.contains(r#"<p id="p">yes</p>"#), "{page:?}");
        assert!(page.console.iter().any(|line| line.contains("notThere is not defined")), "{page:?}");
        assert!(page.requests.iter().any(|url| url == "http://elsewhere.invalid/x"), "{page:?}");
    }
}
