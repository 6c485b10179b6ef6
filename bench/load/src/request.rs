//! The requests: made once, with a number of fixed width patched in for each write.

use clap::ValueEnum;

/// Digits of a number.
const DIGITS: usize = 12;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A value of 64 bytes under a key of 18, through etcd's JSON gateway.
    EtcdPut,
    /// A service, at the admin socket of quorumlb.
    QuorumlbService,
}

/// A request, and where the number stands in it.
#[derive(Debug)]
pub struct Request {
    bytes: Vec<u8>,
    places: Vec<usize>,
    encode: fn(u64) -> Vec<u8>,
}

impl Request {
    /// A request of this kind, without a number yet.
    pub fn new(kind: Kind) -> Self {
        let (path, body, encode): (_, String, fn(u64) -> Vec<u8>) = match kind {
            // Base64 of "bench-NUMBER" and of 51 zeros, NUMBER and a zero: the number is on a border of three bytes.
            Kind::EtcdPut => (
                "/v3/kv/put",
                format!("{{\"key\": \"YmVuY2gt{HOLE16}\", \"value\": \"{}{HOLE16}MA==\"}}", "MDAw".repeat(17)),
                |number| base64(&digits(number)),
            ),
            Kind::QuorumlbService => (
                "/v1/services",
                format!(
                    "{{\"apiVersion\":\"quorumlb.io/v1alpha1\",\"kind\":\"Service\",\
                     \"metadata\":{{\"name\":\"bench-{HOLE12}\",\"namespace\":\"default\"}},\
                     \"spec\":{{\"ports\":[{{\"protocol\":\"TCP\",\"port\":80}}]}}}}"
                ),
                digits,
            ),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let text = head + &body;
        let hole = if encode(0).len() == DIGITS { HOLE12 } else { HOLE16 };
        let places = text.match_indices(hole).map(|(place, _)| place).collect();
        Self { bytes: text.into_bytes(), places, encode }
    }

    /// The request with this number in it.
    pub fn with_number(&mut self, number: u64) -> &[u8] {
        let number = (self.encode)(number);
        for place in &self.places {
            self.bytes[*place..*place + number.len()].copy_from_slice(&number);
        }
        &self.bytes
    }
}

const HOLE12: &str = "@@@@@@@@@@@@";
const HOLE16: &str = "@@@@@@@@@@@@@@@@";

fn digits(number: u64) -> Vec<u8> {
    format!("{:0DIGITS$}", number % 10_u64.pow(DIGITS as u32)).into_bytes()
}

/// Base64 of a whole number of three bytes.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let triples = bytes.chunks_exact(3).map(|three| u32::from_be_bytes([0, three[0], three[1], three[2]]));
    triples.flat_map(|bits| [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_patched_into_every_place() {
        let mut put = Request::new(Kind::EtcdPut);
        let text = String::from_utf8(put.with_number(17).to_vec()).unwrap();
        // printf 'bench-000000000017' | base64; printf '%051d%012d0' 0 17 | base64
        assert!(text.contains("\"key\": \"YmVuY2gtMDAwMDAwMDAwMDE3\""), "{text}");
        let value = format!("\"value\": \"{}MDAwMDAwMDAwMDE3MA==\"", "MDAw".repeat(17));
        assert!(text.ends_with(&format!("{value}}}")), "{text}");

        let mut service = Request::new(Kind::QuorumlbService);
        service.with_number(999_999);
        let text = String::from_utf8(service.with_number(17).to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(body.contains("\"name\":\"bench-000000000017\""), "{body}");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
    }
}
