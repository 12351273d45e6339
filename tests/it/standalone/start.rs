//! When the server starts, and when it refuses to.

use std::os::unix::fs::PermissionsExt;

use windrow_tests::server::{Server, run};

#[tokio::test]
async fn a_data_folder_in_use_is_refused_naming_its_holder() {
    let server = Server::start().await;
    let environment = [("WINDROW_DATA_DIR", server.data_dir().display().to_string()), ("WINDROW_LISTEN", "127.0.0.1:0".into())];
    let second = run("windrow", &["serve"], &environment.map(|(name, value)| (name.to_owned(), value))).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    let expected = format!("error: the data folder {} is in use by process {} (data_dir)", server.data_dir().display(), server.pid());
    assert!(second.stderr.contains(&expected), "{second:?}");
    assert!(second.stdout.is_empty(), "{second:?}");
    server.read("/status").await;
}

#[tokio::test]
async fn an_address_in_use_is_refused_naming_it() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let address = server.url().trim_start_matches("http://").to_owned();
    let environment = [("WINDROW_DATA_DIR", folder.path().display().to_string()), ("WINDROW_LISTEN", address.clone())];
    let second = run("windrow", &["serve"], &environment.map(|(name, value)| (name.to_owned(), value))).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains(&format!("listening on {address} (api.listen)")), "{second:?}");
}

#[tokio::test]
async fn a_setting_that_does_not_fit_is_refused_naming_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    for (variable, value, key) in [
        ("WINDROW_GRACE_S", "soon", "worker.grace_s"),
        ("WINDROW_LISTEN", "localhost", "api.listen"),
        ("WINDROW_GRACE", "1", "WINDROW_GRACE"),
        ("WINDROW_REDIS_URL", "redis://localhost", "dispatch.redis_url"),
    ] {
        let environment = [("WINDROW_DATA_DIR", data_dir.display().to_string()), (variable, value.to_owned())];
        let refused = run("windrow", &[], &environment.map(|(name, value)| (name.to_owned(), value))).await;
        assert_eq!(refused.code, Some(2), "{variable}: {refused:?}");
        assert!(refused.stderr.contains(&format!("error: setting {key}")) && refused.stderr.contains(variable), "{refused:?}");
        assert!(!data_dir.exists(), "{variable}: nothing was begun");
    }
}

#[tokio::test]
async fn the_key_is_made_once_and_for_its_owner_only() {
    let mut server = Server::start().await;
    let file = server.data_dir().join("api-key");
    let read = || std::fs::read_to_string(&file).expect("the key");
    let key = read();
    assert_eq!(std::fs::metadata(&file).expect("the key").permissions().mode() & 0o777, 0o600);
    server.restart().await;
    assert_eq!(read(), key);
    assert_eq!(server.log().matches(key.trim()).count(), 1, "it is shown when it is made, and never again");
}
