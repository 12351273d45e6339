//! A private authority, and what it signs: certificates of servers and of clients, made by openssl in a folder.

use std::path::Path;

use tokio::process::Command;

/// A key of the curve P-256 and its certificate, for two days.
const NEW: [&str; 8] = ["req", "-x509", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

/// Makes an authority: `ca.pem` and `ca.key`. Returns its certificate.
pub async fn found(folder: &Path) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    let (key, pem) = (file("ca.key"), file("ca.pem"));
    openssl(&[&NEW[..], &["-nodes", "-subj", "/CN=Test Authority", "-keyout", &key, "-out", &pem]].concat()).await;
    read(&pem)
}

/// Has the folder's authority sign somebody of this name, who answers at 127.0.0.1 and localhost if asked for: `NAME.pem` and `NAME.key`.
/// Returns the certificate and the key.
pub async fn sign(folder: &Path, name: &str) -> (String, String) {
    let file = |name: String| folder.join(name).display().to_string();
    let (ca_pem, ca_key) = (file("ca.pem".into()), file("ca.key".into()));
    let (pem, key, subject) = (file(format!("{name}.pem")), file(format!("{name}.key")), format!("/CN={name}"));
    let names =
        ["-subj", &subject, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
    let signed = ["-nodes", "-CA", &ca_pem, "-CAkey", &ca_key, "-keyout", &key, "-out", &pem];
    openssl(&[&NEW[..], &names, &signed].concat()).await;
    (read(&pem), read(&key))
}

/// Packs what was signed for this name into a `.p12` file, as authorities hand them out: with ciphers of today, or with those of old.
pub async fn pack(folder: &Path, name: &str, password: &str, is_old: bool) -> Vec<u8> {
    let file = |ending: &str| folder.join(format!("{name}.{ending}")).display().to_string();
    let (pem, key, packed, password) = (file("pem"), file("key"), file("p12"), format!("pass:{password}"));
    let ciphers: &[&str] = if is_old { &["-legacy"] } else { &[] };
    let what = ["-export", "-name", name, "-in", &pem, "-inkey", &key, "-out", &packed, "-passout", &password];
    openssl(&[&["pkcs12"][..], ciphers, &what].concat()).await;
    std::fs::read(&packed).expect("it was packed")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

async fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().await.expect("openssl");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
