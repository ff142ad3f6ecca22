//! TYPE A, pure: lines that end in LF here end in CR LF while they travel (RFC 959, section 3.1.1.1). What is turned one
//! way and then the other is what it was, whatever it contains.

/// The bytes as they travel.
pub(super) fn to_network(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let mut out = Vec::with_capacity(bytes.len() + lines);
    for byte in bytes {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

/// Turns what came back. A CR at the end of a piece waits for the next one.
#[derive(Debug, Default)]
pub(super) struct FromNetwork {
    has_cr: bool,
}

impl FromNetwork {
    /// The next piece.
    pub(super) fn turn(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 1);
        for byte in bytes {
            if std::mem::take(&mut self.has_cr) && *byte != b'\n' {
                out.push(b'\r');
            }
            if *byte == b'\r' {
                self.has_cr = true;
            } else {
                out.push(*byte);
            }
        }
        out
    }

    /// What is left at the end.
    pub(super) fn finish(self) -> &'static [u8] {
        if self.has_cr { b"\r" } else { b"" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_cr_lf_while_they_travel() {
        assert_eq!(to_network(b"a\nb\n\nc"), b"a\r\nb\r\n\r\nc");
        let mut back = FromNetwork::default();
        assert_eq!(back.turn(b"a\r\nb\rc\r\r\n"), b"a\nb\rc\r\n");
        assert_eq!(back.finish(), b"");
    }

    #[test]
    fn every_text_comes_back_at_every_split() {
        let mut seed = 3u64;
        for length in 0..40 {
            let text: Vec<u8> = (0..length)
                .map(|_| {
                    seed = crate::base::mix(seed);
                    b"\r\nab"[seed as usize % 4]
                })
                .collect();
            let sent = to_network(&text);
            for split in 0..=sent.len() {
                let mut back = FromNetwork::default();
                let mut came = back.turn(&sent[..split]);
                came.extend(back.turn(&sent[split..]));
                came.extend_from_slice(back.finish());
                assert_eq!(came, text, "{split}");
            }
        }
    }
}
