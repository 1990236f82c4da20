//! Frames of a WebSocket as a server sends them (RFC 6455 §5.2): without masks.

/// One whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Text(Vec<u8>),
    Ping(Vec<u8>),
    /// With its code; 1005 when it had none.
    Close(u16),
    Other,
}

/// Frames in what was received.
#[derive(Debug, Default)]
pub(super) struct Frames {
    octets: Vec<u8>,
    /// What is before it was given.
    begin: usize,
}

impl Frames {
    /// Adds what came.
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.begin);
        self.begin = 0;
        self.octets.extend(octets);
    }

    /// The next frame that is whole.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let rest = self.octets.get(self.begin..)?;
        let (&[first, second], body) = rest.split_first_chunk()?;
        let (len, body) = match second & 0x7f {
            126 => {
                let (len, body) = body.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*len)), body)
            }
            127 => {
                let (len, body) = body.split_first_chunk()?;
                (usize::try_from(u64::from_be_bytes(*len)).ok()?, body)
            }
            len => (usize::from(len), body),
        };
        let payload = body.get(..len)?;
        let frame = match first & 0x0f {
            1 => Frame::Text(payload.to_vec()),
            8 => Frame::Close(
                payload
                    .first_chunk()
                    .map_or(1_005, |code| u16::from_be_bytes(*code)),
            ),
            9 => Frame::Ping(payload.to_vec()),
            _ => Frame::Other,
        };
        let head = rest.len() - body.len();
        self.begin += head + len;
        Some(frame)
    }
}

/// The answer to a ping; a client masks what it sends, here with zeros.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(125)];
    let len = u8::try_from(payload.len()).unwrap_or(0);
    let mut octets = vec![0x8a, 0x80 | len, 0, 0, 0, 0];
    octets.extend(payload);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let mut octets = vec![0x81, 2, b'h', b'i', 0x89, 1, b'p', 0x88, 2, 0x0f, 0xa8];
        let long = vec![b'x'; 300];
        octets.extend([0x81, 126, 1, 44]);
        octets.extend(&long);
        let expected = [
            Frame::Text(b"hi".to_vec()),
            Frame::Ping(b"p".to_vec()),
            Frame::Close(4_008),
            Frame::Text(long),
        ];
        for size in [1, 3, 7, octets.len()] {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for piece in octets.chunks(size) {
                frames.push(piece);
                while let Some(frame) = frames.next() {
                    found.push(frame);
                }
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_pong_is_masked() {
        assert_eq!(pong(b"p"), [0x8a, 0x81, 0, 0, 0, 0, b'p']);
    }
}
