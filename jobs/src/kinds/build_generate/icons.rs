//! Makes the sizes of an app's icon out of one picture: a square PNG or JPEG, at least as large as the largest size.
//!
//! Decoding has limits, as the picture is a stranger's. The same picture makes the same bytes.

use std::io::Cursor;

use image::{
    DynamicImage, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits,
    codecs::png::{CompressionType, FilterType, PngEncoder},
    imageops::{self, FilterType as Resampling},
};

use super::error::BuildError;

/// The widest and highest picture: twice what any store of apps wants.
const SIDE_MAX: u32 = 4_096;
/// What decoding may allocate: such a picture in 16 bits per channel, and what the decoder needs beside it.
const DECODE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The icon in each of these sizes, as PNG.
pub fn make(picture: &[u8], sizes: &[u32]) -> Result<Vec<Vec<u8>>, BuildError> {
    let largest = sizes.iter().copied().max().unwrap_or_default();
    let picture = decode(picture)?;
    let (width, height) = (picture.width(), picture.height());
    if width != height || width < largest {
        let message = format!("app.assets.icon has {width} × {height} pixels; it is to be square, of at least {largest}");
        return Err(BuildError::inputs("icon_invalid", message));
    }
    let picture = picture.into_rgba8();
    sizes.iter().map(|size| encode(&imageops::resize(&picture, *size, *size, Resampling::Lanczos3))).collect()
}

fn decode(picture: &[u8]) -> Result<DynamicImage, BuildError> {
    let refused = |message: String| BuildError::inputs("icon_invalid", format!("app.assets.icon: {message}"));
    let mut reader = ImageReader::new(Cursor::new(picture)).with_guessed_format().map_err(|error| refused(error.to_string()))?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(refused("it is neither PNG nor JPEG".into()));
    }
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    reader.limits(limits);
    reader.decode().map_err(|error| match error {
        ImageError::Limits(_) => refused(format!("it is larger than {SIDE_MAX} × {SIDE_MAX} pixels")),
        error => refused(error.to_string()),
    })
}

fn encode(picture: &image::RgbaImage) -> Result<Vec<u8>, BuildError> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
    let encoded = encoder.write_image(picture.as_raw(), picture.width(), picture.height(), image::ExtendedColorType::Rgba8);
    encoded.map_err(|error| BuildError::inputs("icon_invalid", error.to_string()))?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    fn picture(width: u32, height: u32) -> Vec<u8> {
        let colour = |x: u32, y: u32| Rgba([(x % 256) as u8, (y % 256) as u8, 128, if x < 8 { 0 } else { 255 }]);
        encode(&RgbaImage::from_fn(width, height, colour)).expect("a PNG")
    }

    #[test]
    fn each_size_is_a_picture_of_that_size_and_always_the_same() {
        let source = picture(512, 512);
        let icons = make(&source, &[192, 48, 512]).expect("icons");
        let sizes: Vec<_> = icons.iter().map(|icon| image::load_from_memory(icon).expect("a picture").width()).collect();
        assert_eq!(sizes, [192, 48, 512]);
        assert!(icons == make(&source, &[192, 48, 512]).expect("icons"));
        let mut jpeg = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(64, 64).write_to(&mut jpeg, ImageFormat::Jpeg).expect("a JPEG");
        assert_eq!(make(jpeg.get_ref(), &[16]).expect("icons").len(), 1);
    }

    #[test]
    fn what_is_no_fitting_picture_is_refused_with_the_reason() {
        let mut huge = picture(16, 16);
        // The header claims 50,000 × 50,000; its checksum is made to fit.
        huge[16..24].copy_from_slice(&[0, 0, 195, 80, 0, 0, 195, 80]);
        let crc = crc32(&huge[12..29]);
        huge[29..33].copy_from_slice(&crc.to_be_bytes());
        let mut torn = picture(64, 64);
        torn.truncate(torn.len() / 2);
        let cases: [(&[u8], &str); 6] = [
            (b"<svg/>", "neither PNG nor JPEG"),
            (b"", "neither PNG nor JPEG"),
            (&picture(64, 32), "64 × 32 pixels; it is to be square, of at least 48"),
            (&picture(32, 32), "of at least 48"),
            (&huge, "larger than 4096"),
            (&torn, "app.assets.icon: "),
        ];
        for (picture, message) in cases {
            let error = make(picture, &[48]).expect_err(message);
            assert_eq!(error.code(), "icon_invalid");
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    /// CRC-32 as PNG has it (ISO 3309), bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        let step =
            |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()));
        !bytes.iter().fold(u32::MAX, step)
    }
}
