//! Google's own library (`firebase_admin`): its messages are ours, and it reads the refusals of our test server as Google's.

use serde_json::{Map, Value};
use windrow_tests::python;

use super::{fcm, script, serve};

/// Fields whose content is the user's, whatever it is called.
const FREE: [&str; 3] = ["data", "headers", "payload"];

/// As the library writes it: the names of the `.proto`.
fn as_they_write(name: &str, value: &Value) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    if FREE.contains(&name) {
        return value.clone();
    }
    let snake = |name: &str| -> String {
        name.chars().flat_map(|c| if c.is_ascii_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] }).collect()
    };
    let inner = |field: &str, value: &Value| match (name, field) {
        // A browser's, as it has it.
        ("webpush", "notification") => value.clone(),
        ("android", "priority") => value.as_str().map(str::to_lowercase).into(),
        _ => as_they_write(field, value),
    };
    Value::Object(fields.iter().map(|(field, value)| (snake(field), inner(field, value))).collect::<Map<_, _>>())
}

#[tokio::test]
async fn its_messages_are_read_and_written_back_the_same() {
    let server = serve().await;
    let (script, seed) = (script("by_firebase.py"), rand::random::<u32>().to_string());
    let run = python::run("python", &[script.to_str().expect("a path"), "messages", &seed, "500"], &[], server.home()).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let mut count = 0;
    for line in run.stdout.lines() {
        let theirs: Value = serde_json::from_str(line).expect("JSON");
        let ours: ::fcm::Message = serde_json::from_str(line).unwrap_or_else(|error| panic!("seed {seed}: {error}: {line}"));
        let ours = serde_json::to_value(&ours).expect("it has a JSON form");
        assert_eq!(as_they_write("", &ours), theirs, "seed {seed}");
        count += 1;
    }
    assert_eq!(count, 500);
}

#[tokio::test]
async fn the_refusals_of_the_test_server_are_googles() {
    let server = serve().await;
    let peer = fcm(&server).await;
    let expected = [
        ("unregistered-1", "UnregisteredError"),
        ("mismatch-1", "SenderIdMismatchError"),
        ("invalid-1", "InvalidArgumentError"),
        ("named-1", "InvalidArgumentError"),
        ("large-1", "InvalidArgumentError"),
        ("apple-1", "ThirdPartyAuthError"),
        ("quota-1", "QuotaExceededError"),
        ("busy-1", "UnavailableError"),
        ("internal-1", "InternalError"),
        ("denied-1", "PermissionDeniedError"),
        ("unauthenticated-1", "UnauthenticatedError"),
        ("ok-1", "projects/demo/messages/ok-1-1"),
    ];
    let (script, url) = (script("by_firebase.py"), format!("http://127.0.0.1:{}", peer.port));
    let arguments: Vec<&str> =
        [script.to_str().expect("a path"), "errors", &url].into_iter().chain(expected.map(|(name, _)| name)).collect();
    let run = python::run("python", &arguments, &[], server.home()).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let said: Vec<(String, String)> = run.stdout.lines().map(|line| serde_json::from_str(line).expect("a pair")).collect();
    let said: Vec<(&str, &str)> = said.iter().map(|(name, said)| (name.as_str(), said.as_str())).collect();
    assert_eq!(said, expected);
}
