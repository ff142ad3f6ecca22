//! Random bytes from the operating system.

/// Random bytes from the operating system, fit for secrets.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A word of `2 * N` hexadecimal digits that nobody can guess.
pub fn word<const N: usize>() -> String {
    random::<N>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Random bytes, in place: a secret leaves no copy behind.
pub fn fill<const N: usize>(bytes: &mut [u8; N]) {
    use rand::TryRng;
    rand::rngs::SysRng.try_fill_bytes(bytes).expect("the system has a source of random bytes");
}
