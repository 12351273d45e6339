//! The same build on two servers that differ in all that should not matter: identical bytes.

use std::{os::unix::fs::PermissionsExt, path::Path};

use windrow_tests::server::{Client, Process, binary};

use super::{artifacts, built, of, passable, publish, unpacked};

/// Asks for all that a build might depend on.
const NOSY: &str = r#"
render = ["page.txt"]
executable = ["tool"]
[[commands]]
name = "look"
run = ["sh", "-c", "date -u -d @$SOURCE_DATE_EPOCH > made; date -d @0 >> made; locale >> made 2>&1; umask >> made; echo ${TZ-} ${LANG-} >> made"]
[[commands]]
name = "spread"
run = ["sh", "-c", "mkdir -p d/e; for n in ö b a Z; do echo $n > d/e/$n; done; touch -d 2001-02-03 d/e/a; chmod 755 d/e/b; ls d/e >> made; sort d/e/* >> made"]
"#;

/// A server under circumstances of its own.
async fn server_under(home: &Path, variables: &[(&str, &str)], umask: &str) -> (Process, Client) {
    std::fs::create_dir(home.join("tmp")).expect("a folder");
    std::fs::set_permissions(home.join("tmp"), std::fs::Permissions::from_mode(0o1777)).expect("everybody's");
    let (data, tmp) = (home.join("data"), home.join("tmp"));
    let own = [("WINDROW_DATA_DIR", data.to_str()), ("WINDROW_LISTEN", Some("127.0.0.1:0")), ("TMPDIR", tmp.to_str())];
    let mut environment: Vec<_> = own.iter().map(|(name, value)| ((*name).to_owned(), value.expect("UTF-8").to_owned())).collect();
    environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let program = binary("windrow");
    let line = format!("umask {umask}; exec \"$0\" serve --output json");
    let process =
        Process::spawn_program(Path::new("/bin/sh"), "windrow", &["-c", &line, program.to_str().expect("UTF-8")], &environment, home);
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        assert!(std::time::Instant::now() < give_up, "the server does not get ready:\n{}", process.log());
        if let (Ok(shown), Ok(key)) =
            (serde_json::from_str::<serde_json::Value>(&process.output()), std::fs::read_to_string(data.join("api-key")))
        {
            let client = Client::new(shown["url"].as_str().expect("a URL"), key.trim());
            if client.try_get("/readyz").await.is_some_and(|answer| answer.status == 200) {
                return (process, client);
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn time_zone_locale_umask_and_folder_make_no_difference() {
    let circumstances: [(&[(&str, &str)], &str); 2] = [
        (&[("TZ", "Pacific/Kiritimati"), ("LANG", "C"), ("SOURCE_DATE_EPOCH", "1")], "077"),
        (&[("TZ", "America/St_Johns"), ("LANG", "de_DE.UTF-8"), ("LC_ALL", "tr_TR.UTF-8"), ("HOME", "/nowhere")], "000"),
    ];
    let mut archives = Vec::new();
    for (variables, umask) in circumstances {
        let home = passable();
        let (_process, client) = server_under(home.path(), variables, umask).await;
        publish(&client, "nosy", NOSY, &[("page.txt", "{{ app.name }}"), ("tool", "#!/bin/sh")]).await;
        let job = built(&client, of("nosy")).await;
        assert_eq!(job["result"]["cached"], false);
        archives.push(artifacts(&client, &job).await.remove("com.example.hay.tar.zst").expect("the archive"));
    }
    let made = unpacked(&archives[0]).remove("made").map(|made| String::from_utf8_lossy(&made).into_owned()).expect("what the command saw");
    assert!(made.contains("Tue Jan  1 00:00:00 UTC 1980") && made.contains("0022") && made.contains("UTC C.UTF-8"), "{made}");
    assert!(
        archives[0] == archives[1],
        "{made}\n{:?}",
        unpacked(&archives[1]).get("made").map(|made| String::from_utf8_lossy(made).into_owned())
    );
}
