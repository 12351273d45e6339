//! Who vouches for a build, judged by programs of others: openssl and PyNaCl for signatures, in-toto's own bindings for the
//! provenance, OpenBao for what Vault's Transit says.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use windrow_tests::{
    python,
    server::{Finished, Server, run},
    vault::Vault,
};

use super::{artifacts, build, built, of, publish};

const ARCHIVE: &str = "com.example.hay.tar.zst";
/// All options on, since each is a field somewhere.
const TEMPLATE: &str = "[settings]\ntype = \"object\"\n[settings.properties.colour]\ntype = \"string\"\ndefault = \"green\"\n";

/// What a build left, in a folder of its own.
struct Left {
    folder: tempfile::TempDir,
    files: BTreeMap<String, Vec<u8>>,
    job: Value,
}

impl Left {
    async fn of(server: &Server) -> Self {
        publish(server, "shop", TEMPLATE, &[("index.html", "x")]).await;
        let job = built(server, of("shop")).await;
        let (folder, files) = (tempfile::tempdir().expect("a folder"), artifacts(server, &job).await);
        for (name, content) in &files {
            fs::write(folder.path().join(name), content).expect("written");
        }
        Self { folder, files, job }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn statement(&self) -> Value {
        let envelope: Value = serde_json::from_slice(&self.files[&format!("{ARCHIVE}.intoto.jsonl")]).expect("JSON");
        let python =
            "import base64,json,sys; sys.stdout.buffer.write(base64.b64decode(json.load(open(sys.argv[1]))['payload'], validate=True))";
        let decoded = Command::new(python::tool("python"))
            .args(["-c", python])
            .arg(self.path(&format!("{ARCHIVE}.intoto.jsonl")))
            .output()
            .expect("python");
        assert!(decoded.status.success() && envelope["payloadType"] == "application/vnd.in-toto+json", "{decoded:?}");
        serde_json::from_slice(&decoded.stdout).expect("JSON")
    }
}

async fn verify(archive: &Path, key: &Path) -> Finished {
    let arguments = ["verify", archive.to_str().expect("UTF-8"), "--public-key", key.to_str().expect("UTF-8"), "--output", "json"];
    run("windrow", &arguments, &[]).await
}

#[tokio::test]
async fn a_build_has_its_archive_signature_provenance_and_lockfile() {
    let server = Server::start().await;
    let left = Left::of(&server).await;
    let names: Vec<_> = left.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["bundles.lock.json", ARCHIVE, "com.example.hay.tar.zst.intoto.jsonl", "com.example.hay.tar.zst.sig"]);
    let modes = ["signing-key.pem", "signing-key.pub.pem"].map(|name| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(server.data_dir().join(name)).expect("a key").permissions().mode() & 0o777
    });
    assert_eq!(modes[0], 0o600);
    // A build that is found again has all of it too, of the same build.
    let again = built(&server, of("shop")).await;
    assert_eq!(again["result"]["cached"], true);
    assert!(artifacts(&server, &again).await == left.files);
}

#[tokio::test]
async fn openssl_and_pynacl_take_the_signatures() {
    let server = Server::start().await;
    let left = Left::of(&server).await;
    let key = server.data_dir().join("signing-key.pub.pem");
    // As docs/builds.md prints it.
    let script = r#"set -e
openssl dgst -sha256 -binary "$1" > digest
cut -d: -f3 "$1.sig" | base64 -d > signature
openssl pkeyutl -verify -pubin -inkey "$2" -rawin -in digest -sigfile signature"#;
    let openssl = |folder: &Path| {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", ARCHIVE]).arg(&key).current_dir(folder).output().expect("openssl")
    };
    let said = openssl(left.folder.path());
    assert!(said.status.success() && String::from_utf8_lossy(&said.stdout).contains("Signature Verified Successfully"), "{said:?}");
    let nacl = r#"
import base64, json, sys
from nacl.signing import VerifyKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key, Encoding, PublicFormat
key = VerifyKey(load_pem_public_key(open(sys.argv[2], "rb").read()).public_bytes(Encoding.Raw, PublicFormat.Raw))
envelope = json.load(open(sys.argv[1]))
payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
key.verify(message, base64.b64decode(envelope["signatures"][0]["sig"]))
print("good")
"#;
    let provenance = left.path(&format!("{ARCHIVE}.intoto.jsonl"));
    let said = Command::new(python::tool("python")).args(["-c", nacl]).arg(&provenance).arg(&key).output().expect("python");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "good\n", "{said:?}");
    // And what openssl makes for a key, we take.
    let home = tempfile::tempdir().expect("a folder");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out", "key.pem"])
        .current_dir(home.path())
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{made:?}");
    let made = Command::new("openssl").args(["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub.pem"]).current_dir(home.path()).output();
    assert!(made.expect("openssl").status.success());
    let server = Server::start_with(&[("WINDROW_SIGNING__KEY_FILE", home.path().join("key.pem").to_str().expect("UTF-8"))]).await;
    let left = Left::of(&server).await;
    let said = verify(&left.path(ARCHIVE), &home.path().join("key.pub.pem")).await;
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test]
async fn the_provenance_is_what_in_toto_and_slsa_say_it_is() {
    let server = Server::start().await;
    let left = Left::of(&server).await;
    let statement = left.statement();
    fs::write(left.path("statement.json"), statement.to_string()).expect("written");
    // PyPI in-toto-attestation 0.9.3: its protobufs know no field but the published ones, and refuse all others.
    let judge = r#"
import json, sys
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
text = open(sys.argv[1]).read()
parsed = json_format.Parse(text, statement_pb2.Statement())
Statement.copy_from_pb(parsed).validate()
predicate = json_format.Parse(json.dumps(json.loads(text)["predicate"]), provenance_pb2.Provenance())
assert predicate.run_details.metadata.started_on.ToMilliseconds() <= predicate.run_details.metadata.finished_on.ToMilliseconds()
assert predicate.build_definition.build_type and predicate.run_details.builder.id
for dependency in predicate.build_definition.resolved_dependencies:
    assert len(dependency.digest["sha256"]) == 64 and dependency.uri
print(predicate.run_details.metadata.invocation_id)
"#;
    let said = Command::new(python::tool("python")).args(["-c", judge]).arg(left.path("statement.json")).output().expect("python");
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), left.job["id"], "{said:?}");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], left.job["result"]["sha256"]);
    let parameters = &statement["predicate"]["buildDefinition"]["externalParameters"];
    assert_eq!((&parameters["template"], &parameters["app"]["name"]), (&json!("shop"), &json!("Hay")));
}

#[tokio::test]
async fn one_byte_changed_anywhere_is_found() {
    let server = Server::start().await;
    let left = Left::of(&server).await;
    let key = server.data_dir().join("signing-key.pub.pem");
    let said = verify(&left.path(ARCHIVE), &key).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((&report["verified"], &report["sha256"], &report["job"]), (&json!(true), &left.job["result"]["sha256"], &left.job["id"]));
    // The library itself for every byte, as a process for each would take minutes.
    let pem = windrow_jobs::signing::verify::key(&fs::read_to_string(&key).expect("a key")).expect("a key");
    let names = [ARCHIVE.to_owned(), format!("{ARCHIVE}.sig"), format!("{ARCHIVE}.intoto.jsonl")];
    let mut contents = names.clone().map(|name| left.files[&name].clone());
    let check = |contents: &[Vec<u8>; 3]| {
        windrow_jobs::signing::verify::check(contents[0].as_slice(), &contents[1], &contents[2], &pem, Default::default())
            .expect("read")
            .verified
    };
    assert!(check(&contents));
    for which in 0..3 {
        for at in 0..contents[which].len() {
            for change in [1, 0x20] {
                contents[which][at] ^= change;
                assert!(!check(&contents), "byte {at} of {}", names[which]);
                contents[which][at] ^= change;
            }
        }
        let last = contents[which].pop().expect("a byte");
        assert!(!check(&contents), "{} without its last byte", names[which]);
        contents[which].extend([last, last]);
        assert!(!check(&contents), "{} with one byte more", names[which]);
        contents[which].pop();
    }
    // And what the command says of it.
    for (name, field) in [(&names[0], "signature"), (&names[1], "signature"), (&names[2], "provenance")] {
        let mut changed = left.files[name].clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(left.path(name), &changed).expect("written");
        let said = verify(&left.path(ARCHIVE), &key).await;
        let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
        assert_eq!((said.code, &report["verified"]), (Some(1), &json!(false)), "{said:?}");
        assert!(report[field].is_string(), "{report}");
        fs::write(left.path(name), &left.files[name]).expect("written");
    }
    let other = Server::start().await;
    assert_eq!(verify(&left.path(ARCHIVE), &other.data_dir().join("signing-key.pub.pem")).await.code, Some(1), "another's key");
    assert_eq!(verify(&left.path("missing"), &key).await.code, Some(2));
    assert_eq!(verify(&left.path(ARCHIVE), &left.path("missing")).await.code, Some(2));
}

#[tokio::test]
async fn vault_signs_by_its_tenants_keys_and_takes_its_own_signatures_back() {
    let vault = Vault::start().await;
    vault.make_key("windrow-default", "ed25519").await;
    vault.make_key("windrow-beta", "ecdsa-p256").await;
    let url = vault.url();
    let server = Server::start_with(&[("WINDROW_SIGNING__VAULT_URL", &url), ("WINDROW_SIGNING__VAULT_TOKEN", vault.token())]).await;
    let left = Left::of(&server).await;
    let signature = String::from_utf8(left.files[&format!("{ARCHIVE}.sig")].clone()).expect("text");
    assert!(signature.starts_with("vault:v1:"), "{signature}");
    let sha256 = left.job["result"]["sha256"].as_str().expect("a hash");
    assert!(vault.verifies("windrow-default", sha256, signature.trim()).await, "Vault's own word");
    let other = format!("{}{}", if sha256.starts_with('0') { '1' } else { '0' }, &sha256[1..]);
    assert!(!vault.verifies("windrow-default", &other, signature.trim()).await);
    fs::write(left.path("key.pem"), vault.public_pem("windrow-default", 1).await).expect("written");
    let said = verify(&left.path(ARCHIVE), &left.path("key.pem")).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    // The version is in the signature.
    vault.rotate("windrow-default").await;
    let mut forced = of("shop");
    forced["payload"]["app"]["name"] = json!("Straw");
    let job = built(&server, forced).await;
    let files = artifacts(&server, &job).await;
    assert!(files[&format!("{ARCHIVE}.sig")].starts_with(b"vault:v2:"));
    assert!(String::from_utf8_lossy(&files[&format!("{ARCHIVE}.intoto.jsonl")]).contains("vault:v2:windrow-default"));
    // A key of another type is nothing to wait for, a missing one is.
    let beta = server.of_tenant("beta");
    publish(&beta, "shop", TEMPLATE, &[("index.html", "x")]).await;
    assert_eq!(build(&beta, of("shop")).await["error"]["code"], "signing_refused");
    let gamma = server.of_tenant("gamma");
    publish(&gamma, "shop", TEMPLATE, &[("index.html", "x")]).await;
    let job = gamma.submit(of("shop")).await;
    let waiting = gamma.until(&job, "retryable", |job| job["state"] == "retryable").await;
    assert_eq!(waiting["error"]["code"], "signing_unavailable", "{waiting}");
    vault.make_key("windrow-gamma", "ed25519").await;
    assert_eq!(gamma.wait(&job).await["state"], "completed");
    assert!(!server.log().contains(vault.token()), "no token in the log");
}

#[tokio::test]
async fn a_pod_logs_in_to_vault_and_again_once_its_token_is_not_taken() {
    let vault = Vault::start().await;
    vault.make_key("windrow-default", "ed25519").await;
    let token = vault.with_kubernetes("windrow").await;
    let home = tempfile::tempdir().expect("a folder");
    let jwt = home.path().join("token");
    fs::write(&jwt, format!("{token}\n")).expect("written");
    let url = vault.url();
    let server = Server::start_with(&[
        ("WINDROW_SIGNING__VAULT_URL", &url),
        ("WINDROW_SIGNING__VAULT_ROLE", "windrow"),
        ("WINDROW_SIGNING__VAULT_JWT_FILE", jwt.to_str().expect("UTF-8")),
    ])
    .await;
    Left::of(&server).await;
    let logins = vault.logins();
    assert_eq!(logins, 1, "one token for all that a build asks");
    vault.revoke_logins().await;
    let mut other = of("shop");
    other["payload"]["app"]["name"] = json!("Straw");
    built(&server, other).await;
    assert_eq!(vault.logins(), 2, "and one more once that was revoked");
}
