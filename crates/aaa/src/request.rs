//! What an Access-Request says, read in one pass without copying.

use domain::access::Method;
use domain::mac::Mac;
use radius::attribute::{self, kind, microsoft, vendor};
use radius::eap::md5::Answer;
use radius::packet::Packet;

/// The attributes that authentication looks at. Each is the first of its kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessFacts<'a> {
    pub user_name: Option<&'a [u8]>,
    pub user_password: Option<&'a [u8]>,
    pub chap_password: Option<&'a [u8]>,
    pub chap_challenge: Option<&'a [u8]>,
    pub ms_chap_challenge: Option<&'a [u8]>,
    pub ms_chap_response: Option<&'a [u8]>,
    pub ms_chap2_response: Option<&'a [u8]>,
    /// The first fragment of an EAP packet (RFC 3579 §3.1).
    pub eap_message: Option<&'a [u8]>,
    /// What EAP-MD5 comes to, which the packet alone does not tell.
    pub eap_md5: Option<&'a Answer>,
    pub nas_identifier: Option<&'a [u8]>,
    pub calling_station: Option<&'a str>,
    pub called_station: Option<&'a str>,
    pub service_type: Option<u32>,
    pub framed_protocol: Option<u32>,
    pub has_proxy_state: bool,
}

impl<'a> AccessFacts<'a> {
    pub fn read(packet: &Packet<'a>) -> Self {
        let mut facts = Self::default();
        for item in packet.attributes() {
            let value = item.value;
            match item.kind {
                kind::USER_NAME => first(&mut facts.user_name, Some(value)),
                kind::USER_PASSWORD => first(&mut facts.user_password, Some(value)),
                kind::CHAP_PASSWORD => first(&mut facts.chap_password, Some(value)),
                kind::CHAP_CHALLENGE => first(&mut facts.chap_challenge, Some(value)),
                kind::EAP_MESSAGE => first(&mut facts.eap_message, Some(value)),
                kind::NAS_IDENTIFIER => first(&mut facts.nas_identifier, Some(value)),
                kind::CALLING_STATION_ID => first(&mut facts.calling_station, station(value)),
                kind::CALLED_STATION_ID => first(&mut facts.called_station, station(value)),
                kind::SERVICE_TYPE => first(&mut facts.service_type, attribute::integer(value)),
                kind::FRAMED_PROTOCOL => {
                    first(&mut facts.framed_protocol, attribute::integer(value));
                }
                kind::PROXY_STATE => facts.has_proxy_state = true,
                kind::VENDOR_SPECIFIC => facts.read_vendor(item),
                _ => {}
            }
        }
        facts
    }

    /// The MAC of the device, when the station is one.
    pub fn mac(&self) -> Option<Mac> {
        Mac::from_wire(self.calling_station?.as_bytes())
    }

    /// The method that the credential attributes mean. More than one is a contradiction
    /// (RFC 2865 §4.1, RFC 3579 §2.2).
    pub fn method(&self) -> Result<Method, Contradiction> {
        let eap = match self.eap_md5 {
            Some(_) => Method::EapMd5,
            None => Method::Eap,
        };
        let claims = [
            (self.user_password.is_some(), Method::Pap),
            (self.chap_password.is_some(), Method::Chap),
            (self.ms_chap_response.is_some(), Method::MsChapV1),
            (self.ms_chap2_response.is_some(), Method::MsChapV2),
            (self.eap_message.is_some(), eap),
        ];
        let mut claimed = claims.iter().filter(|(is_claimed, _)| *is_claimed);
        match (claimed.next(), claimed.next()) {
            (None, _) => Ok(Method::None),
            (Some((_, method)), None) => Ok(*method),
            (Some((_, method)), Some(_)) => Err(Contradiction { method: *method }),
        }
    }

    fn read_vendor(&mut self, item: attribute::Attribute<'a>) {
        let Some((vendor::MICROSOFT, items)) = item.vendor() else {
            return;
        };
        for item in items {
            match item.kind {
                microsoft::MS_CHAP_CHALLENGE => {
                    first(&mut self.ms_chap_challenge, Some(item.value))
                }
                microsoft::MS_CHAP_RESPONSE => first(&mut self.ms_chap_response, Some(item.value)),
                microsoft::MS_CHAP2_RESPONSE => {
                    first(&mut self.ms_chap2_response, Some(item.value))
                }
                _ => {}
            }
        }
    }
}

/// The request carries credentials of several methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The first of them.
    pub method: Method,
}

/// How many attributes have a size or encoding that their kind does not have; readers leave them
/// out.
pub fn count_misfits(packet: &Packet<'_>) -> u64 {
    let misfits = packet.attributes().filter(|item| match item.kind {
        kind::NAS_PORT
        | kind::SERVICE_TYPE
        | kind::FRAMED_PROTOCOL
        | kind::ACCT_STATUS_TYPE
        | kind::ACCT_DELAY_TIME
        | kind::ACCT_INPUT_OCTETS
        | kind::ACCT_OUTPUT_OCTETS
        | kind::ACCT_INPUT_GIGAWORDS
        | kind::ACCT_OUTPUT_GIGAWORDS
        | kind::ACCT_SESSION_TIME
        | kind::ACCT_TERMINATE_CAUSE => attribute::integer(item.value).is_none(),
        kind::FRAMED_IP_ADDRESS => attribute::ipv4(item.value).is_none(),
        kind::FRAMED_IPV6_PREFIX | kind::DELEGATED_IPV6_PREFIX => {
            attribute::ipv6_prefix(item.value).is_none()
        }
        kind::CALLING_STATION_ID | kind::CALLED_STATION_ID => attribute::text(item.value).is_none(),
        kind::VENDOR_SPECIFIC => item.vendor().is_none(),
        _ => false,
    });
    misfits.count() as u64
}

fn first<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

fn station(value: &[u8]) -> Option<&str> {
    attribute::printable(value).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use radius::code::Code;
    use radius::writer::PacketWriter;

    use super::*;

    #[track_caller]
    fn check(attributes: &[(u8, &[u8])], expected: Result<Method, Method>) {
        let mut buffer = Vec::new();
        let mut writer = PacketWriter::new(&mut buffer, Code::AccessRequest, 1);
        for (kind, value) in attributes {
            writer.push(*kind, value).expect("it fits");
        }
        writer.finish_access_request(&[7; 16], b"secret");
        let packet = Packet::parse(&buffer).expect("we wrote it");
        let method = AccessFacts::read(&packet).method();
        assert_eq!(
            method.map_err(|contradiction| contradiction.method),
            expected
        );
    }

    #[test]
    fn method_follows_from_the_credential() {
        check(&[(kind::USER_NAME, b"ana")], Ok(Method::None));
        check(&[(kind::USER_PASSWORD, &[0; 16])], Ok(Method::Pap));
        check(&[(kind::CHAP_PASSWORD, &[0; 17])], Ok(Method::Chap));
        check(&[(kind::EAP_MESSAGE, &[2, 1, 0, 4])], Ok(Method::Eap));
    }

    #[test]
    fn two_credentials_contradict_each_other() {
        check(
            &[
                (kind::USER_PASSWORD, &[0; 16]),
                (kind::CHAP_PASSWORD, &[0; 17]),
            ],
            Err(Method::Pap),
        );
        check(
            &[
                (kind::EAP_MESSAGE, &[2, 1, 0, 4]),
                (kind::USER_PASSWORD, &[0; 16]),
            ],
            Err(Method::Pap),
        );
    }

    #[test]
    fn what_does_not_fit_its_kind_is_counted() {
        let attributes: [(u8, &[u8]); 8] = [
            (kind::USER_NAME, &[0xff]),
            (kind::NAS_PORT, &[0; 4]),
            (kind::NAS_PORT, &[0; 3]),
            (kind::FRAMED_IP_ADDRESS, &[0; 5]),
            (kind::FRAMED_IPV6_PREFIX, &[0, 129]),
            (kind::CALLING_STATION_ID, &[0xff]),
            (kind::VENDOR_SPECIFIC, &[0, 0, 0, 9, 1, 40]),
            (200, &[1, 2, 3]),
        ];
        let mut buffer = Vec::new();
        let mut writer = PacketWriter::new(&mut buffer, Code::AccessRequest, 1);
        for (kind, value) in attributes {
            writer.push(kind, value).expect("it fits");
        }
        writer.finish_access_request(&[7; 16], b"secret");
        let packet = Packet::parse(&buffer).expect("we wrote it");
        assert_eq!(count_misfits(&packet), 5);
    }
}
