//! The ciphers: ChaCha20-Poly1305 and AES-256-GCM, by `ring`.

use ring::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

/// Bytes of a key.
pub(super) const KEY: usize = 32;
/// The number that nothing encrypted has: it makes the next key (Noise, section 4.2).
const REKEY_NUMBER: u64 = u64::MAX;

/// What encrypts records and packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    /// ChaCha20-Poly1305 (RFC 8439): fast on any processor.
    ChaCha,
    /// AES-256-GCM: faster where the processor has instructions for it.
    Aes,
}

impl Cipher {
    /// True if this processor computes it fast, and in a time that does not depend on the key.
    pub(super) fn is_fast(self) -> bool {
        match self {
            Self::ChaCha => true,
            #[cfg(target_arch = "x86_64")]
            Self::Aes => {
                std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Aes => std::arch::is_aarch64_feature_detected!("aes"),
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            Self::Aes => false,
        }
    }

    const fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::ChaCha => &CHACHA20_POLY1305,
            Self::Aes => &AES_256_GCM,
        }
    }

    /// As Noise writes nonces: four zeros, then the number, in the order of bytes of the cipher (section 12).
    pub(super) fn nonce(self, number: u64) -> Nonce {
        let mut bytes = [0; 12];
        bytes[4..].copy_from_slice(&match self {
            Self::ChaCha => number.to_le_bytes(),
            Self::Aes => number.to_be_bytes(),
        });
        Nonce::assume_unique_for_key(bytes)
    }

    pub(super) fn key(self, mut bytes: [u8; KEY]) -> LessSafeKey {
        let key = UnboundKey::new(self.algorithm(), &bytes).expect("both ciphers have keys of 32 bytes");
        bytes.zeroize();
        LessSafeKey::new(key)
    }

    /// The key after this one (Noise, section 4.2, `REKEY`), from which this one cannot be found.
    pub(super) fn next(self, key: &LessSafeKey) -> LessSafeKey {
        let mut next = [0; KEY];
        let tag = key.seal_in_place_separate_tag(self.nonce(REKEY_NUMBER), Aad::empty(), &mut next);
        let _ = tag.expect("32 bytes are not too many");
        let made = self.key(next);
        next.zeroize();
        made
    }
}
