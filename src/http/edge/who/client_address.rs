//! Finds the client's address behind trusted proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The client of a request; the outermost layer puts it on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    pub ip: IpAddr,
    /// Whether the client's own connection was encrypted, as a trusted proxy says.
    pub is_tls: bool,
}

/// An address, or a network of them (`10.0.0.0/8`), whose proxies are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedNetwork(IpNet);

impl FromStr for TrustedNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<TrustedNetwork, String> {
        let text = text.trim();
        let network = text.parse::<IpAddr>().map(IpNet::from).ok().or_else(|| text.parse::<IpNet>().ok());
        network.map(|network| TrustedNetwork(canonical(network))).ok_or_else(|| {
            "must be a list of IP addresses or networks without names and ports, such as 127.0.0.1,10.0.0.0/8"
                .to_owned()
        })
    }
}

/// A network of IPv4-mapped addresses as the IPv4 network it is, because addresses are compared in that form.
fn canonical(network: IpNet) -> IpNet {
    let as_v4 = |network: IpNet| {
        let IpNet::V6(network) = network else { return None };
        let length = network.prefix_len().checked_sub(96)?;
        Ipv4Net::new(network.addr().to_ipv4_mapped()?, length).ok()
    };
    as_v4(network).map_or(network, IpNet::V4)
}

/// The proxies that are trusted to name the client's address; by default none.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<TrustedNetwork>);

impl TrustedProxies {
    pub fn new(networks: Vec<TrustedNetwork>) -> TrustedProxies {
        TrustedProxies(networks)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the operator listed this address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.0.contains(&ip))
    }
}

impl ClientAddress {
    /// The client's address. Each proxy appends its peer to `X-Forwarded-For`, so the list is read from its end: the
    /// first entry that is no trusted proxy is the client, and entries before it are only the client's claims. An entry
    /// that is no address ends the search at the last valid one.
    pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> ClientAddress {
        let mut ip = peer.to_canonical();
        if !trusted.contains(ip) {
            return ClientAddress { ip, is_tls: false };
        }
        let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
        for entry in fields.flat_map(|field| field.as_bytes().rsplit(|byte| *byte == b',')) {
            let Some(earlier) = forwarded_address(entry) else { break };
            ip = earlier;
            if !trusted.contains(ip) {
                break;
            }
        }
        ClientAddress { ip, is_tls: is_forwarded_https(headers) }
    }
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn forwarded_address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|ip| ip.to_canonical())
}

/// The last value counts: it is the nearest proxy's, which was found to be a trusted one.
fn is_forwarded_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all(X_FORWARDED_PROTO).iter().next_back();
    let scheme = last.and_then(|field| field.as_bytes().rsplit(|byte| *byte == b',').next());
    scheme.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
}

/// The address to count a client by, for limits per address. IPv6 is handed out in networks of at least a /64 (RFC
/// 6177), each holding more addresses than could ever be counted one by one.
pub fn counted_as(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use rstest::rstest;

    use super::*;

    fn trusted(networks: &str) -> TrustedProxies {
        let networks = networks.split(',').filter(|text| !text.is_empty());
        TrustedProxies::new(networks.map(|text| text.parse().expect("a network")).collect())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    const PROXIES: &str = "10.0.0.0/8,127.0.0.1,2001:db8:1::/48";

    #[rstest]
    // Nobody is trusted, or not who connects: what the headers say does not count.
    #[case("", "10.0.0.1", &["203.0.113.7"], "10.0.0.1")]
    #[case(PROXIES, "203.0.113.9", &["203.0.113.7"], "203.0.113.9")]
    #[case(PROXIES, "10.0.0.1", &[], "10.0.0.1")]
    #[case(PROXIES, "10.0.0.1", &["203.0.113.7"], "203.0.113.7")]
    // The rightmost that is no proxy; what stands before it the client made up.
    #[case(PROXIES, "10.0.0.1", &["198.51.100.1, 203.0.113.7"], "203.0.113.7")]
    #[case(PROXIES, "10.0.0.1", &["198.51.100.1, 203.0.113.7, 10.1.1.1, 127.0.0.1"], "203.0.113.7")]
    #[case(PROXIES, "10.0.0.1", &["198.51.100.1", "203.0.113.7", "10.2.3.4"], "203.0.113.7")]
    #[case(PROXIES, "10.0.0.1", &["198.51.100.1,203.0.113.7", "10.2.3.4"], "203.0.113.7")]
    // Proxies all the way: the farthest of them.
    #[case(PROXIES, "10.0.0.1", &["10.9.9.9, 10.2.3.4"], "10.9.9.9")]
    // As proxies write addresses.
    #[case(PROXIES, "10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7")]
    #[case(PROXIES, "10.0.0.1", &["2001:db8::7"], "2001:db8::7")]
    #[case(PROXIES, "10.0.0.1", &["[2001:db8::7]"], "2001:db8::7")]
    #[case(PROXIES, "10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7")]
    #[case(PROXIES, "10.0.0.1", &["\t203.0.113.7  "], "203.0.113.7")]
    #[case(PROXIES, "10.0.0.1", &["203.0.113.7, [2001:db8:1::5]:80"], "203.0.113.7")]
    #[case(PROXIES, "10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7")]
    #[case(PROXIES, "10.0.0.1", &["203.0.113.7, ::ffff:10.0.0.2"], "203.0.113.7")]
    #[case(PROXIES, "::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7")]
    #[case("::ffff:10.0.0.0/104", "10.0.0.1", &["203.0.113.7"], "203.0.113.7")]
    #[case(PROXIES, "2001:db8:1::1", &["2001:db8::7"], "2001:db8::7")]
    // What is no address ends the search.
    #[case(PROXIES, "10.0.0.1", &["unknown"], "10.0.0.1")]
    #[case(PROXIES, "10.0.0.1", &[""], "10.0.0.1")]
    #[case(PROXIES, "10.0.0.1", &["203.0.113.7, "], "10.0.0.1")]
    #[case(PROXIES, "10.0.0.1", &["203.0.113.7, unix:, 10.2.3.4"], "10.2.3.4")]
    #[case(PROXIES, "10.0.0.1", &["203.0.113.7, caf\u{e9}, 10.2.3.4"], "10.2.3.4")]
    #[case(PROXIES, "10.0.0.1", &["203.0.113.7:99999"], "10.0.0.1")]
    #[case(PROXIES, "10.0.0.1", &["203.0.113.256"], "10.0.0.1")]
    #[case(PROXIES, "10.0.0.1", &["203.0.113.7 10.2.3.4"], "10.0.0.1")]
    #[case(PROXIES, "10.0.0.1", &["[203.0.113.7"], "10.0.0.1")]
    #[case(PROXIES, "10.0.0.1", &["fe80::1%eth0"], "10.0.0.1")]
    fn clients(#[case] proxies: &str, #[case] peer: &str, #[case] fields: &[&str], #[case] client: &str) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(field.as_bytes()).expect("a header value"));
        }
        assert_eq!(ClientAddress::of(ip(peer), &headers, &trusted(proxies)).ip, ip(client));
    }

    #[rstest]
    #[case("10.0.0.1", &["https"], true)]
    #[case("10.0.0.1", &["HTTPS"], true)]
    #[case("10.0.0.1", &["http, https "], true)]
    #[case("10.0.0.1", &["http", "https"], true)]
    #[case("10.0.0.1", &["https, http"], false)] // said by who came before the nearest proxy
    #[case("10.0.0.1", &["https", "http"], false)]
    #[case("10.0.0.1", &["httpsx"], false)]
    #[case("10.0.0.1", &[""], false)]
    #[case("10.0.0.1", &[], false)]
    #[case("203.0.113.9", &["https"], false)] // no proxy of ours
    fn encrypted(#[case] peer: &str, #[case] fields: &[&str], #[case] is_tls: bool) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(X_FORWARDED_PROTO, field.parse().expect("a header value"));
        }
        assert_eq!(ClientAddress::of(ip(peer), &headers, &trusted(PROXIES)).is_tls, is_tls);
    }

    #[rstest]
    #[case("127.0.0.1", true)]
    #[case(" ::1 ", true)]
    #[case("10.0.0.0/8", true)]
    #[case("10.1.2.3/8", true)]
    #[case("2001:db8::/32", true)]
    #[case("0.0.0.0/0", true)]
    #[case("localhost", false)]
    #[case("10.0.0.1:80", false)]
    #[case("10.0.0.0/33", false)]
    #[case("*", false)]
    #[case("", false)]
    fn networks(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(text.parse::<TrustedNetwork>().is_ok(), valid);
    }

    #[rstest]
    #[case("203.0.113.7", "203.0.113.7")]
    #[case("::ffff:203.0.113.7", "203.0.113.7")]
    #[case("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
    fn whom_an_address_is_counted_with(#[case] address: &str, #[case] counted: &str) {
        assert_eq!(counted_as(ip(address)), ip(counted));
    }
}
