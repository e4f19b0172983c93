//! Where a request comes from.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client: that of the connection, unless it is a proxy's that is trusted. Each proxy adds at the
/// end of `X-Forwarded-For` whom it heard, so the last that is no trusted proxy's is the client's; what stands before
/// it is only what the client says.
pub(super) fn client(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    // A line that is no text is an address that is none, and ends what is believed.
    let lines: Vec<&str> =
        request.headers().get_all(X_FORWARDED_FOR).map(|line| line.to_str().unwrap_or_default()).collect();
    let mut client = peer;
    for heard in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(heard) = parse(heard.trim()) else { break };
        client = heard;
        if !is_trusted(&heard) {
            break;
        }
    }
    client
}

/// An address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// Whom a limit for an address is for: a customer of a provider has many addresses of version 6, the first 64 bits of
/// which are the same (RFC 6177).
pub(super) fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn from(peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "::1/128"].iter().map(|net| net.parse().expect("a net")).collect();
        let peer = std::net::SocketAddr::new(peer.parse().expect("an address"), 1);
        let request = forwarded
            .iter()
            .fold(TestRequest::default().peer_addr(peer), |request, line| {
                request.append_header((X_FORWARDED_FOR, *line))
            })
            .to_http_request();
        client(&request, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_whom_it_heard() {
        assert_eq!(from("192.0.2.1", &[]), "192.0.2.1");
        assert_eq!(from("192.0.2.1", &["203.0.113.7"]), "192.0.2.1", "anyone may claim anything");
        assert_eq!(from("10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(from("::ffff:10.0.0.1", &["203.0.113.7:443"]), "203.0.113.7");
        assert_eq!(
            from("10.0.0.1", &["198.51.100.9, 203.0.113.7"]),
            "203.0.113.7",
            "what the client claimed"
        );
        assert_eq!(
            from("10.0.0.1", &["198.51.100.9", "203.0.113.7, 10.0.0.2"]),
            "203.0.113.7",
            "two proxies"
        );
        assert_eq!(from("::1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(from("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "one of our own");
        assert_eq!(from("10.0.0.1", &["203.0.113.7, unknown"]), "10.0.0.1", "a proxy that does not say");
        assert_eq!(from("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(
            from("10.0.0.1", &["198.51.100.9", "\u{e9}, 203.0.113.7"]),
            "10.0.0.1",
            "a line of no text"
        );
    }

    #[test]
    fn a_subscriber_of_version_6_has_64_bits() {
        let of = |text: &str| subscriber(text.parse().expect("an address")).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("203.0.113.7"), "203.0.113.7");
    }

    #[test]
    fn an_address_is_the_peers_or_one_that_stands_in_the_header_whatever_comes() {
        crate::tests::fuzz("forwarded_for", |input| {
            let Ok(line) = actix_web::http::header::HeaderValue::from_bytes(input) else { return };
            let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a net")];
            for (peer, is_trusted) in [("10.0.0.1", true), ("192.0.2.1", false)] {
                let peer = std::net::SocketAddr::new(peer.parse().expect("an address"), 1);
                let request = TestRequest::default()
                    .peer_addr(peer)
                    .append_header((X_FORWARDED_FOR, line.clone()))
                    .to_http_request();
                let client = client(&request, &trusted);
                assert!(is_trusted || client == peer.ip(), "who is not trusted is believed");
                let text = String::from_utf8_lossy(input);
                let mut said = text.split(',').filter_map(|heard| parse(heard.trim()));
                assert!(client == peer.ip() || said.any(|heard| heard == client), "{client} was never said");
            }
        });
    }
}
