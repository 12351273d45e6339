//! Makes text of bytes, whatever encoding they are said to be in: pages and files lie about that. Pure.
//!
//! In this order: the byte order mark; UTF-16 where it is declared; UTF-8 where the bytes are such, as hardly any other text is by accident;
//! then what is declared, what a page says of itself, and what it looks like, the first of these that every byte goes well with.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};

use super::Unread;

/// How far into a page its own word about its encoding is looked for (HTML, "determining the character encoding").
const META_BYTES: usize = 1024;
/// One character of so many may be one that no text has.
const CHARACTERS_PER_ERROR: usize = 50;

/// The text of `bytes`, of a file with this media type.
pub(super) fn decode(bytes: &[u8], media_type: Option<&str>, is_html: bool) -> Result<String, Unread> {
    let text = decoded(bytes, media_type, is_html);
    let (mut all, mut wrong) = (0_usize, 0_usize);
    for character in text.chars() {
        all += 1;
        let is_wrong = character == char::REPLACEMENT_CHARACTER || character.is_control() && !matches!(character, '\t'..='\r' | '\u{1b}');
        wrong += usize::from(is_wrong);
    }
    if wrong * CHARACTERS_PER_ERROR > all {
        return Err(Unread::Unreadable(format!("it is no text: {wrong} of its {all} characters are none that a text has")));
    }
    Ok(text)
}

fn decoded(bytes: &[u8], media_type: Option<&str>, is_html: bool) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned();
    }
    let declared = media_type.and_then(charset).and_then(known);
    let exactly = |encoding: &'static Encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes);
    if let Some(text) = declared.filter(|encoding| [UTF_16LE, UTF_16BE].contains(encoding)).and_then(exactly) {
        return text.into_owned();
    }
    let own = is_html.then(|| meta(bytes)).flatten().and_then(known);
    let is_iso_2022 = bytes.contains(&0x1b) && [declared, own].contains(&Some(ISO_2022_JP));
    if let (false, Ok(text)) = (is_iso_2022, std::str::from_utf8(bytes)) {
        return text.to_owned();
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    let guessed = detector.guess(None, Utf8Detection::Allow);
    // A page whose own word could be read as bytes is in no UTF-16, whatever it says.
    let own = own.map(|encoding| if [UTF_16LE, UTF_16BE].contains(&encoding) { UTF_8 } else { encoding });
    let fits = [declared, own, Some(guessed)].into_iter().flatten().find_map(exactly);
    fits.unwrap_or_else(|| guessed.decode_without_bom_handling(bytes).0).into_owned()
}

/// What `charset` of a media type says.
fn charset(media_type: &str) -> Option<&str> {
    let parameters = media_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(value.trim().trim_matches(['"', '\'']))
}

/// The encoding of a label; none of one that makes everything one wrong character.
fn known(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(label.as_bytes())
}

/// What a page says of itself: `<meta charset="…">`, or the same in `http-equiv`, or an XML declaration.
fn meta(bytes: &[u8]) -> Option<&str> {
    let head = &bytes[..bytes.len().min(META_BYTES)];
    let lower = head.to_ascii_lowercase();
    let after = |word: &[u8]| lower.windows(word.len()).position(|window| window == word).map(|at| at + word.len());
    let at = after(b"charset=").or_else(|| lower.starts_with(b"<?xml").then(|| after(b"encoding=")).flatten())?;
    let begin = at + head[at..].iter().take_while(|byte| matches!(byte, b'"' | b'\'' | b' ')).count();
    let length = head[begin..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(byte)).count();
    std::str::from_utf8(&head[begin..begin + length]).ok()
}

#[cfg(test)]
mod tests {
    use encoding_rs::{GBK, KOI8_R, SHIFT_JIS, WINDOWS_1252};

    use super::*;

    const GERMAN: &str = "Die Straße führt über den Fluß, wo die Bären schöne Äpfel mögen.";
    const JAPANESE: &str = "東京は日本の首都であり、世界でも最大級の都市のひとつです。カタカナも読めます。";
    const RUSSIAN: &str = "Москва является столицей России и самым большим городом страны.";

    fn encoded(text: &str, encoding: &'static Encoding) -> Vec<u8> {
        encoding.encode(text).0.into_owned()
    }

    fn utf_16(text: &str, of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(of).collect()
    }

    #[test]
    fn text_is_read_whatever_is_said_of_its_encoding() {
        let marked = |mark: &[u8], text: Vec<u8>| [mark.to_vec(), text].concat();
        for (what, bytes, media_type, expected) in [
            ("utf-8", GERMAN.into(), Some("text/plain; charset=utf-8"), GERMAN),
            ("utf-8 without a word", JAPANESE.into(), None, JAPANESE),
            ("utf-8 with a mark", marked(b"\xef\xbb\xbf", GERMAN.into()), Some("text/plain; charset=koi8-r"), GERMAN),
            ("utf-8, said to be latin", GERMAN.into(), Some("text/plain; charset=iso-8859-1"), GERMAN),
            ("latin, said to be utf-8", encoded(GERMAN, WINDOWS_1252), Some("text/plain; charset=UTF-8"), GERMAN),
            ("latin, said to be nonsense", encoded(GERMAN, WINDOWS_1252), Some("text/plain; charset=klingon"), GERMAN),
            ("latin without a word", encoded(GERMAN, WINDOWS_1252), None, GERMAN),
            ("koi8 as declared", encoded(RUSSIAN, KOI8_R), Some("text/plain; CharSet=\"koi8-r\""), RUSSIAN),
            ("koi8 without a word", encoded(RUSSIAN, KOI8_R), None, RUSSIAN),
            ("shift-jis, said to be utf-8", encoded(JAPANESE, SHIFT_JIS), Some("text/html; charset=utf-8"), JAPANESE),
            ("iso-2022-jp as declared", encoded(JAPANESE, ISO_2022_JP), Some("text/plain; charset=iso-2022-jp"), JAPANESE),
            ("utf-16 with a mark", marked(b"\xff\xfe", utf_16(GERMAN, u16::to_le_bytes)), None, GERMAN),
            ("utf-16 as declared", utf_16("plain", u16::to_be_bytes), Some("text/plain; charset=utf-16be"), "plain"),
        ] {
            assert_eq!(decode(&bytes, media_type, false).as_deref(), Ok(expected), "{what}");
        }
    }

    #[test]
    fn a_page_is_asked_itself_where_nobody_else_says() {
        for (head, encoding, text) in [
            ("<meta charset=gbk>", GBK, "北京是中华人民共和国的首都"),
            ("<META http-equiv=\"Content-Type\" content=\"text/html; charset=Shift_JIS\">", SHIFT_JIS, JAPANESE),
            ("<?xml version=\"1.0\" encoding='koi8-r'?>", KOI8_R, RUSSIAN),
        ] {
            let bytes = [head.as_bytes(), &encoded(text, encoding)].concat();
            assert_eq!(decode(&bytes, None, true).as_deref(), Ok(format!("{head}{text}").as_str()));
        }
        let lying = ["<meta charset=utf-16>".as_bytes(), &encoded(GERMAN, WINDOWS_1252)].concat();
        assert!(decode(&lying, None, true).expect("text").ends_with(GERMAN));
    }

    #[test]
    fn what_is_no_text_is_said_to_be_none() {
        let bytes: Vec<u8> = (0..=255_u8).cycle().take(4096).collect();
        let unread = decode(&bytes, Some("text/plain"), false).expect_err("no text");
        assert_eq!(unread.code(), Some("document_unreadable"));
        assert!(decode(b"", None, false).is_ok());
    }
}
