//! The messages of SOCKS version 5 (RFC 1928), with username and password (RFC 1929): bytes in, bytes out.

use std::net::IpAddr;

use crate::provider::ProxyCredentials;

const VERSION: u8 = 5;
const NO_CREDENTIALS: u8 = 0;
const USERNAME_PASSWORD: u8 = 2;

/// The first message: which ways of proving who we are can be used.
pub(super) fn greeting(has_credentials: bool) -> Vec<u8> {
    match has_credentials {
        true => vec![VERSION, 2, NO_CREDENTIALS, USERNAME_PASSWORD],
        false => vec![VERSION, 1, NO_CREDENTIALS],
    }
}

/// Takes the answer to the greeting: whether credentials are wanted; none where it is not all there yet.
pub(super) fn take_choice(buffer: &mut Vec<u8>) -> Result<Option<bool>, String> {
    let Some([version, choice]) = take(buffer) else { return Ok(None) };
    match (version, choice) {
        (VERSION, NO_CREDENTIALS) => Ok(Some(false)),
        (VERSION, USERNAME_PASSWORD) => Ok(Some(true)),
        (VERSION, _) => Err("it wants other credentials than it gets, a username and a password".to_owned()),
        _ => Err("it does not speak SOCKS version 5".to_owned()),
    }
}

/// Who we are; none where a part is too long for a message.
pub(super) fn credentials(credentials: &ProxyCredentials) -> Option<Vec<u8>> {
    let mut message = vec![1];
    for part in [&credentials.username, &credentials.password] {
        message.push(u8::try_from(part.reveal().len()).ok()?);
        message.extend_from_slice(part.reveal().as_bytes());
    }
    Some(message)
}

/// Takes the answer to the credentials; none where it is not all there yet.
pub(super) fn take_verdict(buffer: &mut Vec<u8>) -> Result<Option<()>, String> {
    match take(buffer) {
        None => Ok(None),
        Some([_, 0]) => Ok(Some(())),
        Some(_) => Err("it refused the username or the password".to_owned()),
    }
}

/// Asks for a connection; a name is left for the proxy to resolve. None where it is too long.
pub(super) fn request(host: &str, port: u16) -> Option<Vec<u8>> {
    let mut message = vec![VERSION, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(1);
            message.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(4);
            message.extend_from_slice(&address.octets());
        }
        Err(_) => {
            message.extend_from_slice(&[3, u8::try_from(host.len()).ok()?]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend_from_slice(&port.to_be_bytes());
    Some(message)
}

/// Takes the answer to the request; none where it is not all there yet. What follows belongs to the
/// connection.
pub(super) fn take_reply(buffer: &mut Vec<u8>) -> Result<Option<()>, String> {
    if let [version, code, ..] = **buffer
        && (version, code) != (VERSION, 0)
    {
        return Err(if version == VERSION {
            failure(code)
        } else {
            "it does not speak SOCKS version 5".to_owned()
        });
    }
    let [_, _, _, kind, name_length, ..] = **buffer else { return Ok(None) };
    let address_length = match kind {
        1 => 4,
        3 => 1 + usize::from(name_length),
        4 => 16,
        _ => return Err("it does not keep to SOCKS version 5".to_owned()),
    };
    let length = 4 + address_length + 2;
    if buffer.len() < length {
        return Ok(None);
    }
    buffer.drain(..length);
    Ok(Some(()))
}

fn failure(code: u8) -> String {
    let what = match code {
        2 => "its rules do not allow the connection",
        3 => "the network cannot be reached from there",
        4 => "the host cannot be reached from there",
        5 => "the host refused its connection",
        6 => "its connection took too long",
        7 | 8 => "it does not do what it was asked for",
        _ => "it failed",
    };
    format!("{what} (SOCKS reply {code})")
}

fn take<const LENGTH: usize>(buffer: &mut Vec<u8>) -> Option<[u8; LENGTH]> {
    let taken = *buffer.first_chunk()?;
    buffer.drain(..LENGTH);
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Secret;

    fn somebody(password: &str) -> ProxyCredentials {
        ProxyCredentials { username: Secret::new("me"), password: Secret::new(password) }
    }

    #[test]
    fn credentials_are_offered_only_where_there_are_some() {
        assert_eq!((greeting(false), greeting(true)), (vec![5, 1, 0], vec![5, 2, 0, 2]));
        assert_eq!(credentials(&somebody("pass")), Some(b"\x01\x02me\x04pass".to_vec()));
        assert_eq!(credentials(&somebody(&"x".repeat(256))), None);
    }

    #[test]
    fn names_are_left_to_the_proxy_and_addresses_are_sent_as_such() {
        assert_eq!(request("host.test", 443), Some(b"\x05\x01\x00\x03\x09host.test\x01\xbb".to_vec()));
        assert_eq!(request("127.0.0.1", 80), Some(b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50".to_vec()));
        let address = [&b"\x05\x01\x00\x04"[..], &[0; 15], &[1, 0, 80]].concat();
        assert_eq!(request("::1", 80), Some(address));
        assert_eq!(request(&"x".repeat(256), 80), None);
    }

    #[test]
    fn the_choice_and_the_verdict_are_understood() {
        assert_eq!(take_choice(&mut vec![5]), Ok(None));
        assert_eq!(take_choice(&mut vec![5, 0]), Ok(Some(false)));
        assert_eq!(take_choice(&mut vec![5, 2]), Ok(Some(true)));
        assert!(take_choice(&mut vec![5, 255]).is_err() && take_choice(&mut b"HT".to_vec()).is_err());
        assert_eq!(take_verdict(&mut vec![1]), Ok(None));
        assert_eq!(take_verdict(&mut vec![1, 0]), Ok(Some(())));
        assert!(take_verdict(&mut vec![1, 1]).is_err());
    }

    #[test]
    fn a_reply_is_taken_whole_and_what_follows_stays() {
        let replies: [&[u8]; 3] = [
            &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            b"\x05\x00\x00\x03\x04host\x00\x50",
            &[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80],
        ];
        for reply in replies {
            for length in 0..reply.len() {
                assert_eq!(take_reply(&mut reply[..length].to_vec()), Ok(None), "{length} of {reply:?}");
            }
            let mut buffer = [reply, b"rest"].concat();
            assert_eq!(take_reply(&mut buffer), Ok(Some(())));
            assert_eq!(buffer, b"rest");
        }
    }

    #[test]
    fn a_failure_is_told_in_words() {
        let told = |code| take_reply(&mut vec![5, code]).unwrap_err();
        assert!(told(2).contains("rules") && told(5).contains("refused") && told(99).contains("99"));
        assert!(take_reply(&mut vec![4, 0]).is_err());
        assert!(take_reply(&mut vec![5, 0, 0, 9, 0]).is_err());
    }
}
