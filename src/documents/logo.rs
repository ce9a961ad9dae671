//! Validates the seller's logo, a PNG of limited size.

use std::fmt;
use std::sync::Arc;

use super::pdf;

/// A PNG that documents can show.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    png: Arc<[u8]>,
    width: u32,
    height: u32,
}

impl Logo {
    pub const BYTES_MAX: usize = 1 << 20;

    /// The largest width and height in pixels: a small file may hold a very large picture.
    pub const SIDE_MAX: u32 = 4_096;

    /// Checks a logo.
    ///
    /// # Errors
    /// A sentence, where the bytes are no PNG, or one that is too large or broken.
    pub fn new(bytes: Vec<u8>) -> Result<Logo, String> {
        if bytes.len() > Logo::BYTES_MAX {
            return Err("is larger than 1 MB".to_owned());
        }
        let (width, height) = size(&bytes).ok_or("is not a PNG")?;
        if width > Logo::SIDE_MAX || height > Logo::SIDE_MAX {
            return Err(format!("is {width} × {height} pixels; at most {0} × {0} are taken", Logo::SIDE_MAX));
        }
        let logo = Logo { png: bytes.into(), width, height };
        pdf::check_logo(&logo).map_err(|error| format!("is a broken PNG: {error}"))?;
        Ok(logo)
    }

    pub fn png(&self) -> &[u8] {
        &self.png
    }

    /// The largest size of the logo's proportions that fits into a box.
    pub fn size_within(&self, width: f32, height: f32) -> (f32, f32) {
        let (own_width, own_height) = (self.width as f32, self.height as f32);
        let scale = (width / own_width).min(height / own_height);
        (own_width * scale, own_height * scale)
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({} × {})", self.width, self.height)
    }
}

/// Width and height from the first chunk of a PNG (RFC 2083, sections 3.1 and 4.1.1); neither is 0.
fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
    let number = |from: usize| Some(u32::from_be_bytes(rest.get(from..from + 4)?.try_into().ok()?));
    let (width, height) = (number(0)?, number(4)?);
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::documents::fixtures::PNG;

    #[test]
    fn a_png_keeps_its_shape() {
        let logo = Logo::new(PNG.to_vec()).expect("a PNG");
        let (width, height) = logo.size_within(100.0, 30.0);
        assert_eq!((width, height), (60.0, 30.0));
    }

    #[rstest]
    #[case(Vec::new(), "is not a PNG")]
    #[case(b"GIF89a".to_vec(), "is not a PNG")]
    #[case([PNG, &vec![0; Logo::BYTES_MAX]].concat(), "is larger than 1 MB")]
    #[case(PNG[..40].to_vec(), "is a broken PNG")]
    #[case([&PNG[..16], &[0, 0, 0x20, 0, 0, 0, 0, 1], &PNG[24..]].concat(), "is 8192 × 1 pixels")]
    #[case([&PNG[..16], &[0, 0, 0, 0, 0, 0, 0, 1], &PNG[24..]].concat(), "is not a PNG")]
    fn what_is_refused(#[case] bytes: Vec<u8>, #[case] problem: &str) {
        let refused = Logo::new(bytes).expect_err("no logo");
        assert!(refused.starts_with(problem), "{refused}");
    }
}
