//! From publishing to a build: versions that never change, tenants that see their own, lists, forms, and a build of what was published.

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::server::{Client, Server};

/// A tar of these files.
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, content.as_bytes()).expect("appended");
    }
    archive.into_inner().expect("finished")
}

async fn publish(client: &Client, path: &str, manifest: &str, files: &[(&str, &str)]) -> (u16, Value) {
    let all: Vec<_> = [("bundle.toml", manifest)].into_iter().chain(files.iter().copied()).collect();
    let answer = client.put(path, "application/x-tar", tar(&all)).await;
    (answer.status, answer.body)
}

async fn resolve(client: &Client, template: &str, features: &[&str]) -> (u16, Value) {
    let asked = json!({ "template": template, "features": features });
    let answer = client.send(Method::POST, "/v1/builds/resolve", &[], Some(asked)).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_version_never_changes() {
    let server = Server::start().await;
    let path = "/v1/templates/city/1.0.0";
    let (status, made) = publish(&server, path, "description = \"A city.\"", &[("index.html", "<p>")]).await;
    assert_eq!(status, 201, "{made}");
    let manifest = json!({
        "name": "city", "version": "1.0.0", "role": "template", "description": "A city.",
        "files": [{ "path": "index.html", "bytes": 3, "sha256": "fd475a4b3af5d48b2d75131f73b5d0ad83ed00b2b5cc19e8fe0cbc22d47bd8f0" }],
    });
    assert_eq!((&made["manifest"]["name"], &made["manifest"]["description"]), (&manifest["name"], &manifest["description"]));
    assert_eq!(publish(&server, path, "description = \"A city.\"", &[("index.html", "<p>")]).await, (200, made.clone()));
    // The same in another order, and packed, is still the same.
    let other_way = zstd::encode_all(tar(&[("index.html", "<p>"), ("bundle.toml", "description = 'A city.'")]).as_slice(), 19);
    let again = server.put(path, "application/zstd", other_way.expect("packed")).await;
    assert_eq!((again.status, again.body), (200, made.clone()));
    for (manifest, content) in [("description = \"A city.\"", "<b>"), ("description = \"A town.\"", "<p>")] {
        let (status, problem) = publish(&server, path, manifest, &[("index.html", content)]).await;
        assert_eq!((status, &problem["code"]), (409, &json!("version_exists")), "{problem}");
    }
    assert_eq!(server.read(path).await, made);
}

#[tokio::test]
async fn a_bundle_is_its_tenants_alone() {
    let server = Server::start().await;
    let (city, other) = ("/v1/templates/city/1.0.0", server.of_tenant("acme"));
    assert_eq!(publish(&server, city, "", &[("a", "")]).await.0, 201);
    for path in [city, "/v1/templates/city"] {
        let answer = other.send(Method::GET, path, &[], None).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("bundle_not_found")), "{path}");
    }
    assert_eq!(other.read("/v1/templates").await["bundles"], json!([]));
    assert_eq!(resolve(&other, "city", &[]).await.1["code"], "template_unknown");
    assert_eq!(resolve(&server, "city", &[]).await.0, 200);
    // Its name is free for others, and means something else to them.
    assert_eq!(publish(&other, city, "", &[("a", "other")]).await.0, 201);
    assert_ne!(server.read(city).await["digest"], other.read(city).await["digest"]);
    assert_eq!(server.send(Method::GET, "/v1/features/city/1.0.0", &[], None).await.status, 404, "a template is no feature");
}

#[tokio::test]
async fn lists_go_by_name_and_versions_by_their_order() {
    let server = Server::start().await;
    for version in ["1.9.0", "1.10.0", "2.0.0-rc.1", "1.2.0"] {
        assert_eq!(publish(&server, &format!("/v1/features/chat/{version}"), "", &[("a", version)]).await.0, 201);
    }
    for name in ["zoo", "alpha"] {
        assert_eq!(publish(&server, &format!("/v1/features/{name}/1.0.0"), "description = \"x\"", &[("a", "")]).await.0, 201);
    }
    let first = server.read("/v1/features?page_size=2").await;
    let expected = json!([
        { "name": "alpha", "description": "x", "versions": ["1.0.0"] },
        { "name": "chat", "description": "", "versions": ["2.0.0-rc.1", "1.10.0", "1.9.0", "1.2.0"] },
    ]);
    assert_eq!(first["bundles"], expected);
    let token = first["next_page_token"].as_str().expect("there is more");
    let second = server.read(&format!("/v1/features?page_size=2&page_token={token}")).await;
    assert_eq!((&second["bundles"][0]["name"], &second["next_page_token"]), (&json!("zoo"), &Value::Null));
    let versions = server.read("/v1/features/chat").await;
    let versions: Vec<_> = versions["versions"].as_array().expect("versions").iter().map(|one| &one["version"]).collect();
    assert_eq!(versions, ["2.0.0-rc.1", "1.10.0", "1.9.0", "1.2.0"]);
}

#[tokio::test]
async fn a_form_brings_the_manifest_beside_the_files() {
    let server = Server::start().await;
    let form = |parts: &[(&str, &str, Vec<u8>)]| {
        let mut body = Vec::new();
        for (head, media_type, content) in parts {
            body.extend(format!("--edge\r\nContent-Disposition: form-data; {head}\r\nContent-Type: {media_type}\r\n\r\n").into_bytes());
            body.extend(content);
            body.extend(b"\r\n");
        }
        body.extend(b"--edge--\r\n");
        body
    };
    let media_type = "multipart/form-data; boundary=edge";
    let files = || tar(&[("a", "x")]);
    let manifest = || br#"{"description": "by a form"}"#.to_vec();
    let good = form(&[("name=\"manifest\"", "application/json", manifest()), ("name=\"bundle\"", "application/x-tar", files())]);
    let answer = server.put("/v1/features/form/1.0.0", media_type, good).await;
    assert_eq!((answer.status, &answer.body["manifest"]["description"]), (201, &json!("by a form")), "{}", answer.body);
    let toml = form(&[
        ("name=\"bundle\"; filename=\"a.zip\"", "application/octet-stream", files()),
        ("name=\"manifest\"; filename=\"m.toml\"", "text/plain", b"description = \"by a form\"".to_vec()),
    ]);
    assert_eq!(server.put("/v1/features/form/1.0.0", media_type, toml).await.status, 200, "the same");
    let bad: [(Vec<u8>, &str, &str); 6] = [
        (form(&[("name=\"bundle\"", "application/x-tar", files())]), "field_invalid", "/manifest"),
        (form(&[("name=\"manifest\"", "application/json", manifest())]), "field_invalid", "/bundle"),
        (form(&[("name=\"manifest\"", "text/plain", manifest())]), "field_invalid", "/manifest"),
        (form(&[("name=\"other\"", "text/plain", manifest())]), "field_invalid", "/other"),
        (b"--edge\r\nContent-Disposition: form-data; name=\"bundle\"\r\n\r\nno end".to_vec(), "field_invalid", ""),
        (
            form(&[
                ("name=\"manifest\"", "application/json", b"{\"colour\": 1}".to_vec()),
                ("name=\"bundle\"", "application/zip", files()),
            ]),
            "bundle_invalid",
            "announced as zip",
        ),
    ];
    for (body, code, says) in bad {
        let answer = server.put("/v1/features/form/2.0.0", media_type, body).await;
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert!(answer.status == 422 && answer.body["code"] == code, "{}", answer.body);
        assert!(answer.body["pointer"] == says || detail.contains(says), "{}", answer.body);
    }
    for media_type in ["application/json", "multipart/form-data", "text/plain"] {
        let answer = server.put("/v1/features/form/2.0.0", media_type, files()).await;
        assert_eq!((answer.status, &answer.body["code"]), (415, &json!("media_type_unsupported")), "{media_type}");
    }
    for (path, code) in [
        ("/v1/features/Form/1.0.0", "bundle_invalid"),
        ("/v1/features/form/1.0", "bundle_invalid"),
        ("/v1/features/form/1.0.0%2Bx", "bundle_invalid"),
    ] {
        let answer = server.put(path, "application/x-tar", tar(&[("bundle.toml", ""), ("a", "")])).await;
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!(code)), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_conflict_is_explained_and_what_is_advised_works() {
    let server = Server::start().await;
    for (path, manifest) in [
        ("/v1/templates/city/2.4.0", ""),
        ("/v1/templates/city/3.0.0", ""),
        ("/v1/features/chat/1.9.0", "[templates]\ncity = \"^2\""),
        ("/v1/features/chat/2.1.0", "[templates]\ncity = \"^3\""),
    ] {
        assert_eq!(publish(&server, path, manifest, &[("a.js", path)]).await.0, 201);
    }
    let (status, problem) = resolve(&server, "city@2.4.0", &["chat@2.1"]).await;
    assert_eq!((status, &problem["code"]), (422, &json!("version_conflict")), "{problem}");
    let conflicts = json!([
        "feature chat 2.1.0 needs template city ^3 (3.0.0)",
        "you chose template city ^2.4.0",
        "you asked for feature chat ^2.1 (2.1.0)",
    ]);
    assert_eq!(problem["conflicts"], conflicts);
    assert_eq!(problem["hints"][0], "Feature chat 1.9.0 would go with the rest: ask for chat@=1.9.0");
    let (status, resolved) = resolve(&server, "city@2.4.0", &["chat@=1.9.0"]).await;
    let expected = json!({ "template": { "name": "city", "version": "2.4.0" }, "features": [{ "name": "chat", "version": "1.9.0" }] });
    assert_eq!((status, resolved), (200, expected));
    // Unasked, the solver goes back to the older one by itself.
    assert_eq!(resolve(&server, "city@^2", &["chat"]).await.1["features"][0]["version"], "1.9.0");
    for (template, features, code) in [
        ("city", vec!["gone"], "feature_unknown"),
        ("gone", vec![], "template_unknown"),
        ("city@one", vec![], "requirement_invalid"),
        ("city", vec!["../chat"], "requirement_invalid"),
        ("city@^9", vec![], "version_conflict"),
    ] {
        let (status, problem) = resolve(&server, template, &features).await;
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{problem}");
    }
    let many = vec!["chat"; 65];
    assert_eq!(resolve(&server, "city", &many).await.1["pointer"], "/features");
}

#[tokio::test]
async fn what_was_published_is_built() {
    let server = Server::start().await;
    let template = "render = [\"index.html\"]\n[settings]\ntype = \"object\"\n[settings.properties.size]\ntype = \"integer\"\ndefault = 3";
    assert_eq!(
        publish(&server, "/v1/templates/town/1.0.0", template, &[("index.html", "{{ app.name }} {{ settings.size }}")]).await.0,
        201
    );
    assert_eq!(publish(&server, "/v1/features/bell/1.0.0", "", &[("bell.js", "ring()")]).await.0, 201);
    let app = json!({ "name": "Town", "bundle_id": "com.example.town", "settings": { "size": 7 } });
    let payload = json!({ "template": "town", "features": ["bell@^1"], "app": app });
    let job = server.submit(json!({ "kind": "build.generate", "payload": payload })).await;
    let done = server.wait(&job).await;
    assert_eq!(done["state"], "completed", "{done}");
    let mut bad = payload.clone();
    bad["app"]["settings"]["size"] = json!("large");
    let job = server.submit(json!({ "kind": "build.generate", "payload": bad })).await;
    assert_eq!(server.wait(&job).await["error"]["code"], "setting_invalid");
}
