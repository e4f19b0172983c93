use std::path::Path;

use chat_system::connections::MysqlOptions;
use chat_system::store::mysql::MysqlStore;
use chat_system::store::{Company, Nodes as _};

use super::{InDatabase, ask, options, said};
use crate::support::openssl::openssl;
use crate::support::servers::Kind;

on_servers! { a_server_is_trusted_by_its_certificate_and_not_without }

/// `ca.pem`, and `cert.pem` with `key.pem` of a server on this machine.
fn make_certificates(folder: &Path) {
    std::fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").expect("a file");
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority",
    );
    openssl(folder, "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost");
    openssl(
        folder,
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out cert.pem",
    );
}

async fn a_server_is_trusted_by_its_certificate_and_not_without(kind: Kind) {
    let Some(server) = kind.start(&[]) else { return };
    let folder = server.folder().join("data");
    make_certificates(&folder);
    // Relative to the folder of its data, wherever the server sees that.
    let files = ["--ssl-ca=ca.pem", "--ssl-cert=cert.pem", "--ssl-key=key.pem"];
    server.kill();
    let server = server.start_again_with(&files);
    let place = InDatabase::on(&server.url()).await;
    ask(&place.server, "CREATE USER careful IDENTIFIED BY 'secret' REQUIRE SSL").await;
    ask(&place.server, &format!("GRANT ALL ON {}.* TO careful", place.database)).await;
    let plain = format!("mysql://careful:secret@127.0.0.1:{}/{}", server.port(), place.database);
    let tls = format!("{plain}?require_ssl=true");
    let trusting = || MysqlOptions { tls_ca: Some(folder.join("ca.pem")), ..options() };
    let refused = MysqlStore::new(&plain, trusting()).expect("a store").enter(Company::Many).await;
    refused.expect_err("this user has to come by TLS");
    let distrusted = MysqlStore::new(&tls, options()).expect("a store").enter(Company::Many).await;
    let distrusted = said(&distrusted.expect_err("nobody vouches for this server"));
    assert!(distrusted.contains("certificate"), "{distrusted}");
    drop(distrusted);
    let store = MysqlStore::new(&tls, trusting()).expect("a store");
    store.enter(Company::Many).await.expect("an answer");
}
