use std::error::Error;
use std::path::Path;
use std::process::Command;

use chat_system::intake::IntakeError;

use super::*;
use crate::support::servers::free_port;

on_servers! {
    a_wrong_password_is_said_in_the_cause_and_the_right_one_works,
    tls_works_with_the_given_certificates_only,
    unsafe_settings_are_named_also_to_who_may_not_read_the_configuration,
}

async fn a_wrong_password_is_said_in_the_cause_and_the_right_one_works(server: Server) {
    let address = server.url().replace("redis://", "");
    let right = open(&format!("redis://:secret@{address}"), options());
    operate::<()>(&server, "CONFIG SET requirepass secret");
    for (url, cause) in
        [(server.url(), "NOAUTH"), (format!("redis://:guess@{address}"), "authentication failed")]
    {
        let refused = open(&url, options()).accept(batch(), &[child(chat())]).await;
        let Err(IntakeError::Away(source)) = refused else { panic!("{refused:?}") };
        let said = causes(&*source);
        assert!(said.contains(cause) && !said.contains("guess"), "{said}");
    }
    seed(&right, &[chat()]).await;
    assert_eq!(places(&right, &[child(chat())]).await, [at(1)]);
}

async fn tls_works_with_the_given_certificates_only(server: Server) {
    let folder = server.folder().to_owned();
    certify(&folder);
    let inside: Vec<String> = operate(&server, "CONFIG GET dir");
    let (port, inside) = (free_port(), &inside[1]);
    operate::<()>(
        &server,
        &format!(
            "CONFIG SET tls-auth-clients no tls-ca-cert-file {inside}/ca.pem tls-cert-file {inside}/server.pem \
             tls-key-file {inside}/server.key tls-port {port}"
        ),
    );
    let url = format!("rediss://localhost:{port}");
    let unknown = open(&url, options()).accept(batch(), &[child(chat())]).await;
    assert!(matches!(unknown, Err(IntakeError::Away(_))), "{unknown:?}");
    let trusting = RedisOptions { tls_ca: Some(folder.join("ca.pem")), ..options() };
    let intake = open(&format!("{url}/1"), trusting);
    seed(&intake, &[chat()]).await;
    assert_eq!(places(&intake, &[child(chat())]).await, [at(1)]);
}

#[test]
fn certificates_that_are_not_there_are_named_before_anything_is_sent() {
    let options = RedisOptions { tls_ca: Some("/nowhere/ca.pem".into()), ..options() };
    let error = RedisIntake::new("rediss://localhost:1/7", options).err().expect("an error");
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

async fn unsafe_settings_are_named_also_to_who_may_not_read_the_configuration(server: Server) {
    operate::<()>(&server, "ACL SETUSER teller on >word ~* +@all -config");
    let address = server.url().replace("redis://", "");
    let limited = open(&format!("redis://teller:word@{address}"), options());
    let intake = node(&server);
    let none: [String; 0] = [];
    assert_eq!(intake.warnings().await.expect("an answer"), none);
    operate::<()>(&server, "CONFIG SET maxmemory-policy allkeys-lru");
    assert_eq!(intake.warnings().await.expect("an answer"), none, "without a bound nothing is thrown away");
    operate::<()>(&server, "CONFIG SET maxmemory 1gb appendfsync no");
    let said = intake.warnings().await.expect("an answer").join("\n");
    assert!(said.contains("allkeys-lru") && said.contains("appendfsync"), "{said}");
    operate::<()>(&server, "CONFIG SET appendonly no");
    for intake in [&intake, &limited] {
        let said = intake.warnings().await.expect("an answer").join("\n");
        assert!(said.contains("allkeys-lru") && said.contains("appendonly"), "{said}");
    }
    operate::<()>(&server, "ACL SETUSER teller -info");
    assert_eq!(limited.warnings().await.expect("an answer"), none, "nothing is said of what is not known");
}

fn causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// An authority, and a server's certificate by it.
fn certify(folder: &Path) {
    let openssl = |words: &str| {
        let output = Command::new("openssl").args(words.split_whitespace()).current_dir(folder).output();
        let output = output.expect("openssl");
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(&format!(
        "req -x509 {key} -days 2 -subj /CN=localhost -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE"
    ));
}
