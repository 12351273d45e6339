use super::*;

const NOW_MS: i64 = 1_614_265_330_000;

/// A call whose headers are these.
fn verified(scheme: Scheme, secret: &str, url: &str, headers: &[(&str, &str)], content_type: &str, body: &str) -> bool {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let call = Call { url, query, headers: &headers, content_type, body: body.as_bytes() };
    verify(scheme, secret, &call, Timestamp::from_ms(NOW_MS))
}

/// The example of <https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests/test_webhooks.py>
/// (`test_sign_function`), at 33d368b2; `standardwebhooks` 1.1.0 from PyPI signs the same (2026-11-22).
#[test]
fn the_published_standard_webhook_is_verified() {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &str = r#"{"test": 2432232314}"#;
    let of = |secret: &str, id: &str, at: &str, signature: &str, body: &str| {
        let headers = [("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)];
        verified(Scheme::StandardWebhooks, secret, "https://x/v1/hooks/t", &headers, "application/json", body)
    };
    let (id, at, signed) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert!(of(SECRET, id, at, signed, BODY));
    assert!(of(SECRET, id, at, &format!("v1a,AAAA v1,AAAA {signed}"), BODY), "one of several signatures");
    assert!(of(&format!("whsec_bmV4dG5leHRuZXh0bmV4dG5leHRuZXh0 {SECRET}"), id, at, signed, BODY), "one of several secrets");
    assert!(!of("whsec_bmV4dG5leHRuZXh0bmV4dG5leHRuZXh0", id, at, signed, BODY));
    assert!(!of(SECRET, "msg_other", at, signed, BODY) && !of(SECRET, id, at, signed, "{}"));
    for at in ["1614265331", "", "x", "9223372036854775807", "-1"] {
        assert!(!of(SECRET, id, at, signed, BODY), "{at}");
    }
    for signature in ["", "v1,", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="] {
        assert!(!of(SECRET, id, at, signature, BODY), "{signature}");
    }
}

#[test]
fn a_timestamp_is_good_for_five_minutes_either_way() {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    for (off_s, good) in [(0, true), (299, true), (-299, true), (301, false), (-301, false)] {
        let at_s = NOW_MS / 1_000 + off_s;
        let signed = sign::signature(SECRET, "id", at_s, b"{}").expect("signed");
        let at = at_s.to_string();
        let headers = [("webhook-id", "id"), ("webhook-timestamp", at.as_str()), ("webhook-signature", signed.as_str())];
        assert_eq!(verified(Scheme::StandardWebhooks, SECRET, "https://x", &headers, "application/json", "{}"), good, "{off_s}");
    }
}

/// The vectors of <https://github.com/twilio/twilio-python/blob/main/tests/unit/test_request_validator.py>, at 30368b08; `twilio` 9.13.0
/// from PyPI computes the form's signature and the body's hash alike (2026-11-22).
#[test]
fn the_published_requests_of_twilio_are_verified() {
    const TOKEN: &str = "12345";
    const FORM_BODY: &str = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
    let form = |url: &str, signature: &str, body: &str| {
        verified(Scheme::Twilio, TOKEN, url, &[("x-twilio-signature", signature)], "application/x-www-form-urlencoded; charset=utf-8", body)
    };
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    assert!(form(url, signature, FORM_BODY));
    assert!(!form(url, signature, &FORM_BODY.replace("1234&", "1235&")));
    assert!(!form("https://mycompany.com/myapp.php?foo=1&bar=3", signature, FORM_BODY));
    assert!(!form(url, "RSOYDt4T1cUTdK1PDd93/VVr8B9=", FORM_BODY) && !form(url, "", FORM_BODY) && !form(url, "!", FORM_BODY));
    // Where one of both names the port and the other does not.
    assert!(form("https://mycompany.com:443/myapp.php?foo=1&bar=2", signature, FORM_BODY));

    let body = r#"{"property": "value", "boolean": true}"#;
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let with_hash = format!("{url}&bodySHA256={hash}");
    let json = |url: &str, body: &str| {
        verified(Scheme::Twilio, TOKEN, url, &[("x-twilio-signature", "a9nBmqA0ju/hNViExpshrM61xv4=")], "application/json", body)
    };
    assert!(json(&with_hash, body));
    assert!(!json(&with_hash, "{}"), "the hash is of another body");
    assert!(!json(url, body), "without the hash nothing of the body is signed");
}

/// A digest by OpenSSL: `printf '{"object":"whatsapp_business_account"}' | openssl dgst -sha256 -hmac app-secret`.
#[test]
fn what_openssl_signs_for_meta_is_verified() {
    let of = |secret: &str, signature: &str, body: &str| {
        verified(Scheme::Meta, secret, "https://x", &[("x-hub-signature-256", signature)], "application/json", body)
    };
    let (body, signature) = (r#"{"object":"whatsapp_business_account"}"#, concat!("sha256=", include_str!("openssl.txt")));
    assert!(of("app-secret", signature.trim_end(), body));
    assert!(!of("app-secret", signature.trim_end(), "{}") && !of("other", signature.trim_end(), body));
    assert!(!of("app-secret", signature.trim_end().trim_start_matches("sha256="), body) && !of("app-secret", "sha256=", body));
}

#[test]
fn a_digest_is_of_what_is_signed() {
    let of = |scheme, headers: &[(&str, &str)], query: &str, body: &str| {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        digest(scheme, &Call { url: "", query, headers: &headers, content_type: "", body: body.as_bytes() })
    };
    let own = |id: &str, at: &str, body: &str| of(Scheme::StandardWebhooks, &[("webhook-id", id), ("webhook-timestamp", at)], "", body);
    assert_eq!(own("a", "1", "x"), own("a", "2", "x"), "tried again, and signed anew");
    assert_ne!(own("a", "1", "x"), own("b", "1", "x"));
    let twilio = |token: &str, query: &str, body: &str| of(Scheme::Twilio, &[("i-twilio-idempotency-token", token)], query, body);
    assert_eq!(twilio("1", "q", "x"), twilio("2", "q", "x"), "the token is not signed");
    assert_ne!(twilio("1", "q", "x"), twilio("1", "r", "x"));
    assert_ne!(twilio("1", "q", "x"), twilio("1", "", "qx"), "parts do not run into each other");
    assert_ne!(of(Scheme::Meta, &[], "", "x"), of(Scheme::Meta, &[], "", "y"));
    assert_eq!(of(Scheme::Meta, &[], "a", "x"), of(Scheme::Meta, &[], "b", "x"), "its query is not signed");
}
