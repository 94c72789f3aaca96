//! Where unpredictable bytes come from. Everything below takes the source as an argument, so that test vectors are exact.

pub use hpke::rand_core::{CryptoRng, Rng};

/// The operating system's source, made at the edge and passed in.
///
/// Drawing from it aborts when the system has no randomness to give: no key is ever made from anything less.
pub type SystemRandom = hpke::rand_core::UnwrapErr<getrandom::SysRng>;

/// Opens the operating system's source.
pub fn system() -> SystemRandom {
    hpke::rand_core::UnwrapErr(getrandom::SysRng)
}

/// Draws `N` bytes.
pub fn draw<const N: usize>(random: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill_bytes(&mut bytes);
    bytes
}
