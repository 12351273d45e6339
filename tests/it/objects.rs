//! What every object store promises: one suite, on the folder and on two S3 servers that others wrote, `s3s` and moto.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use windrow_jobs::{
    clock::{Clock, SystemClock, Timestamp},
    objects::{Content, Error, Key, Objects},
};

/// SHA-256 of nothing and of `abc` (FIPS 180-4, the examples).
const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

macro_rules! suite {
    ($($case:ident),+ $(,)?) => {
        mod folder {
            $(
                #[tokio::test]
                async fn $case() {
                    let home = tempfile::tempdir().expect("a folder");
                    super::$case(&super::folder_in(home.path())).await;
                }
            )+
        }
        mod s3 {
            $(
                #[tokio::test]
                async fn $case() {
                    let server = windrow_tests::s3::S3Server::start().await;
                    super::$case(&server.objects()).await;
                }
            )+
        }
        mod moto {
            // One server for all, as it takes seconds to start; each has a bucket of its own.
            #[tokio::test]
            async fn keeps_the_contract() {
                let server = windrow_tests::moto::Moto::start().await;
                $(super::$case(&server.bucket(&stringify!($case).replace('_', "-")).await).await;)+
            }
        }
    };
}

suite! {
    what_is_put_is_got,
    a_file_is_put_as_its_bytes,
    a_second_put_replaces_the_first,
    what_is_not_there_is_none,
    a_deleted_object_is_gone_and_may_be_deleted_again,
    lists_are_sorted_by_prefix_and_go_on,
    a_large_object_travels_whole,
    an_object_larger_than_expected_is_refused,
    a_link_says_until_when,
}

fn folder_in(root: &std::path::Path) -> windrow_jobs::objects::folder::FolderObjects {
    use windrow_jobs::objects::{folder::FolderObjects, link::Signer};
    FolderObjects::open(root, Signer::new(b"master"), "http://localhost".into()).expect("a folder store")
}

fn key(text: &str) -> Key {
    text.parse().expect("a key")
}

async fn put(objects: &dyn Objects, at: &str, content: &[u8]) {
    objects.put(&key(at), "text/plain", content.to_vec().into()).await.expect("put");
}

async fn text(objects: &dyn Objects, at: &str) -> Option<String> {
    let object = objects.get(&key(at)).await.expect("get")?;
    Some(String::from_utf8(object.bytes(1_000).await.expect("bytes")).expect("UTF-8"))
}

async fn what_is_put_is_got(objects: &dyn Objects) {
    for (at, content, sha256) in [("a/empty", "", SHA256_OF_NOTHING), ("a/größe 1+2=3.txt", "abc", SHA256_OF_ABC)] {
        let put = objects.put(&key(at), "text/plain; charset=utf-8", content.as_bytes().to_vec().into()).await.expect("put");
        let expected = (content.len() as u64, Some(sha256), "text/plain; charset=utf-8");
        assert_eq!((put.bytes, put.sha256.as_deref(), put.media_type.as_str()), expected);
        assert_eq!(objects.head(&key(at)).await.expect("head"), Some(put.clone()));
        let got = objects.get(&key(at)).await.expect("get").expect("it is there");
        assert_eq!(got.meta, put);
        assert_eq!(text(objects, at).await.as_deref(), Some(content));
    }
}

async fn a_file_is_put_as_its_bytes(objects: &dyn Objects) {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("file");
    std::fs::write(&path, "abc").expect("written");
    let put = objects.put(&key("file"), "text/plain", Content::File(path)).await.expect("put");
    assert_eq!((put.bytes, put.sha256.as_deref()), (3, Some(SHA256_OF_ABC)));
    assert_eq!(text(objects, "file").await.as_deref(), Some("abc"));
    assert!(objects.put(&key("none"), "text/plain", Content::File(home.path().join("none"))).await.is_err());
    assert_eq!(objects.head(&key("none")).await, Ok(None));
}

async fn a_second_put_replaces_the_first(objects: &dyn Objects) {
    put(objects, "a/b", b"first").await;
    let before = objects.get(&key("a/b")).await.expect("get").expect("it is there");
    put(objects, "a/b", b"the second").await;
    assert_eq!(text(objects, "a/b").await.as_deref(), Some("the second"));
    assert_eq!(before.bytes(100).await.expect("bytes"), b"first", "a reader keeps what it opened");
    assert_eq!(objects.list("", None, 10).await.expect("list"), [key("a/b")]);
}

async fn what_is_not_there_is_none(objects: &dyn Objects) {
    put(objects, "a/b/c", b"x").await;
    // Not `a/b`, which a real store does not have either: the test server answers 500 for a folder of its own.
    for at in ["nothing", "a/b/d", "b/b/c"] {
        assert_eq!(objects.head(&key(at)).await, Ok(None), "{at}");
        assert!(objects.get(&key(at)).await.expect("get").is_none(), "{at}");
        objects.delete(&key(at)).await.expect("delete");
    }
    assert_eq!(text(objects, "a/b/c").await.as_deref(), Some("x"));
}

async fn a_deleted_object_is_gone_and_may_be_deleted_again(objects: &dyn Objects) {
    put(objects, "a/b", b"x").await;
    put(objects, "a/c", b"y").await;
    objects.delete(&key("a/b")).await.expect("delete");
    objects.delete(&key("a/b")).await.expect("delete");
    assert_eq!(objects.head(&key("a/b")).await, Ok(None));
    assert_eq!(objects.list("a/", None, 10).await.expect("list"), [key("a/c")]);
    put(objects, "a/b", b"again").await;
    assert_eq!(text(objects, "a/b").await.as_deref(), Some("again"));
}

async fn lists_are_sorted_by_prefix_and_go_on(objects: &dyn Objects) {
    for at in ["b/2", "a/1", "b/10", "b/1/x", "bc"] {
        put(objects, at, b"x").await;
    }
    let listed = async |prefix: &str, after: Option<&str>, limit| {
        let keys = objects.list(prefix, after.map(key).as_ref(), limit).await.expect("list");
        keys.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(listed("", None, 10).await, ["a/1", "b/1/x", "b/10", "b/2", "bc"]);
    assert_eq!(listed("b/", None, 10).await, ["b/1/x", "b/10", "b/2"]);
    assert_eq!(listed("b/1", None, 10).await, ["b/1/x", "b/10"]);
    assert_eq!(listed("b", None, 2).await, ["b/1/x", "b/10"]);
    assert_eq!(listed("b", Some("b/10"), 10).await, ["b/2", "bc"]);
    assert_eq!(listed("c", None, 10).await, [""; 0]);
}

async fn a_large_object_travels_whole(objects: &dyn Objects) {
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    objects.put(&key("large"), "application/octet-stream", content.clone().into()).await.expect("put");
    let mut got = Vec::new();
    objects.get(&key("large")).await.expect("get").expect("it is there").content.read_to_end(&mut got).await.expect("read");
    assert!(got == content, "{} bytes came back of {}", got.len(), content.len());
}

async fn an_object_larger_than_expected_is_refused(objects: &dyn Objects) {
    put(objects, "a", b"12345").await;
    let open = async || objects.get(&key("a")).await.expect("get").expect("it is there");
    assert!(matches!(open().await.bytes(4).await, Err(Error::Refused(_))));
    assert_eq!(open().await.bytes(5).await.expect("bytes"), b"12345");
}

/// On the folder only, whose promise it is: `s3s-fs` 0.14 writes one temporary file for all that put at once.
#[tokio::test]
async fn puts_at_once_to_a_folder_leave_one_of_them() {
    let home = tempfile::tempdir().expect("a folder");
    puts_at_once_leave_one_of_them(&folder_in(home.path())).await;
}

async fn puts_at_once_leave_one_of_them(objects: &dyn Objects) {
    let contents: Vec<String> = (0..8).map(|number| format!("{number}").repeat(1_000)).collect();
    let [a, b, c, d] = [0, 2, 4, 6].map(|from| {
        let contents = &contents[from..from + 2];
        async move {
            for content in contents {
                objects.put(&key("contended"), "text/plain", content.clone().into_bytes().into()).await.expect("put");
            }
        }
    });
    tokio::join!(a, b, c, d);
    let left = text(objects, "contended").await.expect("one of them");
    assert!(contents.contains(&left), "{left}");
}

async fn a_link_says_until_when(objects: &dyn Objects) {
    let now = SystemClock.now();
    let link = objects.link(&key("a/größe 1"), now, Duration::from_secs(90)).await.expect("a link");
    assert!(link.url.starts_with("http://") && link.url.contains("a/gr%C3%B6%C3%9Fe%201?"), "{}", link.url);
    assert!((90_000..=91_000).contains(&link.expires_at.ms_since(now)), "{:?}", link.expires_at);
}

#[tokio::test]
async fn a_presigned_link_opens_in_any_client_and_only_with_its_signature() {
    let server = windrow_tests::s3::S3Server::start().await;
    let objects = server.objects();
    put(&objects, "a/b c", b"abc").await;
    let link = objects.link(&key("a/b c"), SystemClock.now(), Duration::from_secs(60)).await.expect("a link");
    let http = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
    let got = http.get(&link.url).send().await.expect("an answer");
    assert_eq!((got.status().as_u16(), got.text().await.expect("a body").as_str()), (200, "abc"));
    let bare = link.url.split('?').next().expect("a path");
    assert_eq!(http.get(bare).send().await.expect("an answer").status().as_u16(), 403);
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be_unavailable() {
    let objects = {
        let server = windrow_tests::s3::S3Server::start().await;
        server.objects()
    };
    let put = objects.put(&key("a"), "text/plain", b"x".to_vec().into()).await;
    assert!(matches!(put, Err(Error::Unavailable(_))), "{put:?}");
}

#[tokio::test]
async fn a_folder_keeps_its_objects_over_a_restart_and_nothing_else() {
    let home = tempfile::tempdir().expect("a folder");
    put(&folder_in(home.path()), "a/b", b"x").await;
    let objects = folder_in(home.path());
    put(&objects, "a/b/c", b"below another key").await;
    assert_eq!(objects.head(&key("a")).await, Ok(None));
    put(&objects, "gone/with/its/folders", b"x").await;
    objects.delete(&key("gone/with/its/folders")).await.expect("delete");
    assert_eq!(text(&objects, "a/b").await.as_deref(), Some("x"));
    let left: Vec<_> = std::fs::read_dir(home.path()).expect("listed").map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(!left.iter().any(|name| name == "gone"), "{left:?}");
    assert_eq!(std::fs::read_dir(home.path().join("%tmp")).expect("listed").count(), 0);
    let link = objects.link(&key("a/b"), Timestamp::from_ms(0), Duration::from_secs(1)).await.expect("a link");
    assert!(link.url.starts_with("http://localhost/v1/objects/a/b?expires=1&signature="), "{}", link.url);
}
