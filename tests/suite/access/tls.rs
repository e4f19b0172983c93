use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use super::{ADMIN_KEY, closed};
use crate::support::eventually;
use crate::support::openssl::openssl;

/// `cert.pem`, which vouches for itself, and `key.pem`.
fn make_certificate(folder: &Path, name: &str) {
    let subject = format!("-subj /CN={name} -addext subjectAltName=IP:127.0.0.1");
    openssl(
        folder,
        &format!("req -x509 -newkey rsa:2048 -nodes -keyout key.new -out cert.new -days 2 {subject}"),
    );
    for (new, file) in [("key.new", "key.pem"), ("cert.new", "cert.pem")] {
        std::fs::rename(folder.join(new), folder.join(file)).expect("renamed");
    }
}

/// What a client hears that trusts this certificate alone.
fn curl(certificate: &Path, url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["-s", "-S", "--max-time", "10", "--cacert"]).arg(certificate).args(arguments).arg(url);
    command.output().expect("curl")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn the_listener_speaks_tls_and_shows_a_renewed_certificate_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    make_certificate(folder.path(), "first");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let first = folder.path().join("first.pem");
    std::fs::copy(&certificate, &first).expect("a copy");
    let (chain, key) = (certificate.to_str().expect("text"), key.to_str().expect("text"));
    let service = closed(&["--tls-cert", chain, "--tls-key", key]);
    assert!(service.url.starts_with("https://"), "{}", service.url);
    let list = format!("{}/api/v1/applications", service.url);
    let authorization = format!("Authorization: Bearer {ADMIN_KEY}");
    let listed = curl(&first, &list, &["-H", &authorization]);
    assert!(said(&listed).contains("success"), "{}", said(&listed));
    let plain = curl(&first, &list.replace("https:", "http:"), &["-H", &authorization]);
    assert!(!said(&plain).contains("success"), "{}", said(&plain));
    let old = curl(&first, &list, &["--tls-max", "1.1"]);
    assert!(!old.status.success(), "{}", said(&old));

    std::fs::write(folder.path().join("key.pem"), "no key").expect("written");
    let warned = async || if service.log().contains("cannot be used") { Ok(()) } else { Err(service.log()) };
    eventually(Duration::from_secs(20), "a warning", warned).await;
    assert!(said(&curl(&first, &list, &["-H", &authorization])).contains("success"), "the old one goes on");

    make_certificate(folder.path(), "second");
    eventually(Duration::from_secs(20), "the new certificate", async || {
        let listed = curl(&certificate, &list, &["-H", &authorization]);
        if listed.status.success() { Ok(()) } else { Err(said(&listed)) }
    })
    .await;
    assert!(!curl(&first, &list, &["-H", &authorization]).status.success(), "the old one is shown no more");
    assert!(service.stop().success(), "it drains");
}

#[test]
fn a_certificate_that_cannot_be_used_is_said_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    make_certificate(folder.path(), "one");
    std::fs::copy(folder.path().join("cert.pem"), folder.path().join("other.pem")).expect("a copy");
    make_certificate(folder.path(), "two");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    for (chain, key, why) in [
        ("other.pem", "key.pem", "is no key of that certificate"),
        ("missing.pem", "key.pem", "missing.pem"),
        ("key.pem", "key.pem", "holds no certificate"),
        ("cert.pem", "cert.pem", "cert.pem"),
    ] {
        let mut command = Command::new(crate::support::service::program());
        command.args(["--listen", "127.0.0.1:0", "--data-dir", &path("data")]);
        let refused = command
            .args(["--tls-cert", &path(chain), "--tls-key", &path(key)])
            .output()
            .expect("the program");
        assert!(
            !refused.status.success() && said(&refused).contains(why),
            "{chain} {key}: {}",
            said(&refused)
        );
    }
}
