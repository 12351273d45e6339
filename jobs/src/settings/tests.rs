use super::{source::KEYS, *};

fn read(variables: &[(&str, &str)]) -> Result<Effective, Error> {
    Effective::read(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

fn file_with(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("windrow.toml");
    std::fs::write(&path, text).expect("written");
    let path = path.to_str().expect("a UTF-8 path").to_owned();
    (folder, path)
}

#[test]
fn nothing_set_means_the_defaults() {
    let effective = read(&[("PATH", "/bin"), ("WINDROW_API_SERVICE_HOST", "10.0.0.1"), ("WINDROW_REDIS_URL", "")]).expect("settings");
    assert_eq!(effective.settings, Settings::default());
    assert_eq!(effective.origin("api.listen"), "default");
    assert_eq!(effective.settings.retention(), Retention::default());
    assert_eq!(effective.entries().len(), KEYS.len());
}

#[test]
fn the_example_file_says_the_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/windrow.example.toml");
    let effective = read(&[("WINDROW_CONFIG", path)]).expect("settings");
    assert_eq!(effective.settings, Settings::default());
    let text = std::fs::read_to_string(path).expect("the file");
    for key in &KEYS {
        let name = key.name.rsplit('.').next().unwrap_or(key.name);
        assert!(text.contains(name), "{} is not explained in the example file", key.name);
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let (_folder, path) = file_with("[api]\nlisten = '127.0.0.1:1'\n[worker]\ngrace_s = 5\nqueues = { builds = 3 }\n");
    let effective = read(&[
        ("WINDROW_CONFIG", &path),
        ("WINDROW_LISTEN", "127.0.0.1:2"),
        ("WINDROW_RETENTION__DEAD_DAYS", "3"),
        ("WINDROW_API_KEY", "1234567890123456"),
    ])
    .expect("settings");
    let settings = &effective.settings;
    assert_eq!((settings.api.listen.port(), settings.worker.grace_s, settings.retention.dead_days), (2, 5, 3));
    assert_eq!(settings.worker.queues.to_string(), "builds=3", "a table replaces the defaults");
    let origins = ["api.listen", "worker.grace_s", "retention.dead_days", "data_dir"].map(|key| effective.origin(key));
    assert_eq!(origins, ["WINDROW_LISTEN", &path, "WINDROW_RETENTION__DEAD_DAYS", "default"]);
    let value = |key| effective.entries().into_iter().find(|entry| entry.key == key).and_then(|entry| entry.value);
    assert_eq!(value("retention.dead_days").as_deref(), Some("3"));
    assert_eq!(value("api.key").as_deref(), Some("(hidden)"));
    let shown = format!("{:?} {settings:?}", effective.entries());
    assert!(!shown.contains("1234567890123456"), "{shown}");
}

#[test]
fn a_tenant_may_keep_another_gap_between_fires() {
    let effective =
        read(&[("WINDROW_SCHEDULES__GAP_S_MIN", "30"), ("WINDROW_SCHEDULES__TENANT_GAPS_S_MIN", "acme=60, beta=1")]).expect("settings");
    let gap_s_of = |tenant: &str| effective.settings.schedules.gap_s_min_of(&tenant.parse().expect("a tenant"));
    assert_eq!(["acme", "beta", "default"].map(gap_s_of), [60, 1, 30]);
    let (_folder, path) = file_with("[schedules.tenant_gaps_s_min]\nacme = 7\n");
    let of_file = read(&[("WINDROW_CONFIG", &path)]).expect("settings");
    let shown = of_file.entries().into_iter().find(|entry| entry.key == "schedules.tenant_gaps_s_min").and_then(|entry| entry.value);
    assert_eq!(shown.as_deref(), Some("acme=7"));
    let refused = read(&[("WINDROW_SCHEDULES__TENANT_GAPS_S_MIN", "acme=0")]).err().expect("no seconds at all");
    assert!(refused.to_string().contains("acme=0: seconds are a number of 1 to 86400"), "{refused}");
}

#[test]
fn slots_in_the_environment_replace_those_of_the_file() {
    let (_folder, path) = file_with("[worker.queues]\ndefault = 1\nbuilds = 1\n");
    let effective = read(&[("WINDROW_CONFIG", &path), ("WINDROW_QUEUES", "gpu=4")]).expect("settings");
    assert_eq!(effective.settings.worker.queues.to_string(), "gpu=4");
    let names: Vec<_> = effective.settings.queue_names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["default", "builds", "notifications", "syncs", "embeddings", "gpu"]);
}

#[test]
fn what_does_not_fit_names_its_key_and_where_it_came_from() {
    let (_folder, unknown) = file_with("[api]\nlisten = '127.0.0.1:1'\nport = 8080\n");
    let (_folder, unknown_section) = file_with("[apis]\nport = 8080\n");
    let (_folder, wrong_type) = file_with("[worker]\ngrace_s = 'long'\n");
    let (_folder, wrong_slots) = file_with("[worker.queues]\ndefault = -1\n");
    let (_folder, no_toml) = file_with("api listen");
    type Variables<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Variables<'_>, &str, &str, &str); 25] = [
        (&[("WINDROW_LISTEN", "localhost")], "api.listen", "WINDROW_LISTEN", "an address is like 127.0.0.1:8080"),
        (&[("WINDROW_API__LISTEN", "8080")], "api.listen", "WINDROW_API__LISTEN", "an address is like 127.0.0.1:8080"),
        (&[("WINDROW_PUBLIC_URL", "jobs.example.com")], "api.public_url", "WINDROW_PUBLIC_URL", "https://"),
        (&[("WINDROW_PUBLIC_URL", "https:///v1")], "api.public_url", "WINDROW_PUBLIC_URL", "https://"),
        (&[("WINDROW_API_KEY", "short")], "api.key", "WINDROW_API_KEY", "16"),
        (&[("WINDROW_API_KEY", "sixteen bytes are not enough")], "api.key", "WINDROW_API_KEY", "spaces"),
        (&[("WINDROW_QUEUES", "default")], "worker.queues", "WINDROW_QUEUES", "default=16"),
        (&[("WINDROW_QUEUES", "Builds=1")], "worker.queues", "WINDROW_QUEUES", "queue"),
        (&[("WINDROW_QUEUES", "default=1,default=2")], "worker.queues", "WINDROW_QUEUES", "second"),
        (&[("WINDROW_QUEUES", "default=9999999")], "worker.queues", "WINDROW_QUEUES", "100000"),
        (&[("WINDROW_QUEUES", "default=0")], "worker.queues", "WINDROW_QUEUES", "1 to"),
        (&[("WINDROW_GRACE_S", "-1")], "worker.grace_s", "WINDROW_GRACE_S", "-1"),
        (&[("WINDROW_GRACE_S", "86401")], "worker.grace_s", "WINDROW_GRACE_S", "86400"),
        (&[("WINDROW_GRACE_S", "soon")], "worker.grace_s", "WINDROW_GRACE_S", "soon"),
        (&[("WINDROW_DATABASE_URL", "mysql://a:hunter2@b")], "ledger.database_url", "WINDROW_DATABASE_URL", "postgres://"),
        (&[("WINDROW_REDIS_URL", "localhost:6379")], "dispatch.redis_url", "WINDROW_REDIS_URL", "redis://"),
        (&[("WINDROW_OBJECTS_URL", "file://relative")], "objects.url", "WINDROW_OBJECTS_URL", "file:///"),
        (&[("WINDROW_MASTER_KEY", "hunter2")], "secrets.master_key", "WINDROW_MASTER_KEY", "32"),
        (&[("WINDROW_LOG_FORMAT", "xml")], "log.format", "WINDROW_LOG_FORMAT", "xml"),
        (&[("WINDROW_CONFIG", &unknown)], "api.port", &unknown, "no such setting"),
        (&[("WINDROW_CONFIG", &unknown_section)], "apis", &unknown_section, "no such setting"),
        (&[("WINDROW_CONFIG", &wrong_type)], "worker.grace_s", &wrong_type, "long"),
        (&[("WINDROW_CONFIG", &wrong_slots)], "worker.queues.default", &wrong_slots, "-1"),
        (&[("WINDROW_CONFIG", "/nowhere/windrow.toml")], "/nowhere/windrow.toml", "WINDROW_CONFIG", "read"),
        (&[("WINDROW_LISTEN", "[::]:1"), ("WINDROW_API__LISTEN", "[::]:1")], "api.listen", "WINDROW_LISTEN", "WINDROW_API__LISTEN"),
    ];
    for (variables, key, origin, message) in cases {
        let error = read(variables).err().unwrap_or_else(|| panic!("{variables:?} is taken"));
        assert_eq!((error.key.as_str(), error.origin.as_deref()), (key, Some(origin)), "{error}");
        assert!(error.message.contains(message), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    for variable in ["WINDROW_LISTN", "WINDROW_OBJECT_URL", "WINDROW_WORKER__QUEUES__BUILDS", "WINDROW_API__PORTS"] {
        let error = read(&[(variable, "1")]).err().expect("refused");
        assert_eq!(error.key, variable);
    }
    assert_eq!(read(&[("WINDROW_CONFIG", &no_toml)]).err().expect("refused").key, no_toml);
}

#[test]
fn a_standalone_ledger_is_a_sqlite_file() {
    let file = |variables: &[(&str, &str)]| read(variables).expect("settings").settings.sqlite_file();
    assert_eq!(file(&[("WINDROW_DATA_DIR", "/data")]), Ok("/data/windrow.db".into()));
    assert_eq!(file(&[("WINDROW_DATABASE_URL", "sqlite:///srv/jobs.db")]), Ok("/srv/jobs.db".into()));
    let refused =
        [("WINDROW_DATABASE_URL", "postgres://a@b/c", "ledger.database_url"), ("WINDROW_REDIS_URL", "redis://a", "dispatch.redis_url")];
    for (variable, url, key) in refused {
        assert_eq!(file(&[(variable, url)]).expect_err("refused").key, key);
    }
}

#[test]
fn links_are_relative_where_no_address_is_right() {
    let settings = Settings::default();
    let bound = |text: &str| text.parse().expect("an address");
    assert_eq!(settings.links_base(bound("127.0.0.1:8080")), "http://127.0.0.1:8080");
    assert_eq!(settings.links_base(bound("0.0.0.0:8080")), "");
    let public = read(&[("WINDROW_PUBLIC_URL", "https://jobs.example.com/")]).expect("settings").settings;
    assert_eq!(public.links_base(bound("0.0.0.0:8080")), "https://jobs.example.com");
}

#[test]
fn hosts_that_may_be_called_are_named_one_by_one() {
    let effective = read(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1:9000, Sandbox.internal,[0::1]:80")]).expect("settings");
    let hosts = &effective.settings.outbound.allow_hosts;
    assert!(
        hosts.has("127.0.0.1", 9000) && hosts.has("sandbox.internal", 1) && hosts.has("sandbox.internal.", 2) && hosts.has("[::1]", 80)
    );
    assert!(!hosts.has("127.0.0.1", 9001) && !hosts.has("[::1]", 81) && !hosts.has("x.sandbox.internal", 1));
    let (_folder, path) = file_with("[outbound]\nallow_hosts = ['a.internal', 'b.internal:1']\n");
    let of_file = read(&[("WINDROW_CONFIG", &path)]).expect("settings");
    let shown = of_file.entries().into_iter().find(|entry| entry.key == "outbound.allow_hosts").and_then(|entry| entry.value);
    assert_eq!(shown.as_deref(), Some("a.internal,b.internal:1"));
    for wrong in ["http://a", "a:b", "a:70000", "::1", "*", "[1.2.3.4]"] {
        assert!(read(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", wrong)]).is_err(), "{wrong}");
    }
}
