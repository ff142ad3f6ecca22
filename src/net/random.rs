//! Random bytes from the operating system.

/// Random bytes from the operating system, fit for secrets.
pub fn random<const N: usize>() -> [u8; N] {
    use rand::TryRng;
    let mut bytes = [0; N];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).expect("the system has a source of random bytes");
    bytes
}
