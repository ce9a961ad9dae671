//! Counts the segments of a message text: GSM-7 or UCS-2, alone or concatenated.

use std::collections::HashSet;

use crate::domain::values::named_enum::named_enum;

named_enum! {
    /// The alphabet a text is sent in, by the names of 3GPP TS 23.038.
    pub enum Encoding {
        /// Section 6.2.1: 7 bits a character, 14 for those of the extension table.
        Gsm7 = "GSM-7",
        /// Section 6.2.3: 16 bits a unit. Phones read it as UTF-16, hence the surrogate pairs.
        Ucs2 = "UCS-2",
    }
}

/// The most segments of a message: their number is one octet (3GPP TS 23.040 section 9.2.3.24.1).
pub const SEGMENTS_MAX: u16 = 255;

/// The encoding and segments of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmented {
    pub encoding: Encoding,
    /// 1 to [`SEGMENTS_MAX`].
    pub segments: u16,
    /// Septets in GSM-7, UTF-16 units in UCS-2; units left empty at the end of a segment are not counted.
    pub units: usize,
}

/// The text does not fit one message, however it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("takes {segments} segments, and one message has at most {SEGMENTS_MAX}: shorten it, or send it as several")]
pub struct TooLong {
    pub segments: usize,
}

/// Counts the segments of a text as a phone or a gateway cuts it: in GSM-7 if every character is in its tables, else in
/// UCS-2.
///
/// # Errors
/// [`TooLong`] where it takes more than [`SEGMENTS_MAX`] parts.
pub fn count(body: &str) -> Result<Segmented, TooLong> {
    let mut gsm7 = Packing::new(GSM7);
    for (position, (start, character)) in body.char_indices().enumerate() {
        match septets(character) {
            Some(cost) => gsm7.add(cost),
            // Every character of GSM-7 is one UTF-16 unit, so those already read need not be read again.
            None => return count_ucs2(position, &body[start..]),
        }
    }
    gsm7.finish()
}

/// `units_before` characters of one unit each, then `rest`.
fn count_ucs2(units_before: usize, rest: &str) -> Result<Segmented, TooLong> {
    let mut ucs2 = Packing::after_single_units(UCS2, units_before);
    for character in rest.chars() {
        ucs2.add(character.len_utf16());
    }
    ucs2.finish()
}

/// The characters for which a text is sent in UCS-2, each once, in the order in which they first appear.
pub fn forcing_ucs2(body: &str) -> Vec<char> {
    let mut seen = HashSet::new();
    body.chars().filter(|character| septets(*character).is_none() && seen.insert(*character)).collect()
}

/// How many units the 140 octets of user data hold (3GPP TS 23.040 section 9.2.3.24.1).
#[derive(Clone, Copy)]
struct Layout {
    encoding: Encoding,
    /// When the message is one part.
    alone: usize,
    /// When it is one of several: a header of 6 octets (with an 8-bit reference, as is usual) goes off.
    joined: usize,
}

const GSM7: Layout = Layout { encoding: Encoding::Gsm7, alone: 160, joined: 153 };
const UCS2: Layout = Layout { encoding: Encoding::Ucs2, alone: 70, joined: 67 };

/// Parts of several, filled one after the other. Whether the message is in fact one part is known only at its end.
struct Packing {
    layout: Layout,
    units: usize,
    parts: usize,
    /// Units in the last part.
    filled: usize,
}

impl Packing {
    fn new(layout: Layout) -> Packing {
        Packing { layout, units: 0, parts: 1, filled: 0 }
    }

    /// Another character must follow: after a full part this has begun the next one.
    fn after_single_units(layout: Layout, units: usize) -> Packing {
        Packing { layout, units, parts: units / layout.joined + 1, filled: units % layout.joined }
    }

    /// "A character represented by an escape-sequence shall not be split in the middle", nor one of UCS-2 (3GPP TS
    /// 23.040 section 9.2.3.24.1): what does not fit the rest of a part begins the next one.
    fn add(&mut self, cost: usize) {
        self.units += cost;
        self.filled += cost;
        if self.filled > self.layout.joined {
            self.parts += 1;
            self.filled = cost;
        }
    }

    fn finish(self) -> Result<Segmented, TooLong> {
        let parts = if self.units <= self.layout.alone { 1 } else { self.parts };
        match u16::try_from(parts) {
            Ok(segments) if segments <= SEGMENTS_MAX => {
                Ok(Segmented { encoding: self.layout.encoding, segments, units: self.units })
            }
            _ => Err(TooLong { segments: parts }),
        }
    }
}

/// The default alphabet (3GPP TS 23.038 section 6.2.1), a row of the table a line. 0x1B is missing: it is the escape to
/// the extension table and no character. 0x09 is the capital Ç; the small one is in neither table.
#[rustfmt::skip]
const DEFAULT_ALPHABET: [char; 127] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', /* ESC */ 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table (section 6.2.1.1), but for [`EURO`]: each is sent as an escape and a septet. The first is the
/// form feed.
const EXTENSION: [char; 9] = ['\u{0C}', '^', '{', '}', '\\', '[', '~', ']', '|'];

/// The tenth of the extension table, far above the others.
const EURO: char = '€';

/// Septets by code point, 0 for what is not in GSM-7: up to the end of the Greek block, one look-up a character.
static SEPTETS: [u8; 0x400] = {
    let mut septets = [0; 0x400];
    let mut i = 0;
    while i < DEFAULT_ALPHABET.len() {
        septets[DEFAULT_ALPHABET[i] as usize] = 1;
        i += 1;
    }
    let mut i = 0;
    while i < EXTENSION.len() {
        septets[EXTENSION[i] as usize] = 2;
        i += 1;
    }
    septets
};

/// The septets that a character takes in GSM-7, if it is in its tables.
fn septets(character: char) -> Option<usize> {
    match SEPTETS.get(character as usize) {
        Some(0) => None,
        Some(&cost) => Some(usize::from(cost)),
        None => (character == EURO).then_some(2),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::Encoding::{Gsm7, Ucs2};
    use super::*;

    /// The tables of 3GPP TS 23.038 once more, as code points by septet: a look-alike typed above (the ohm sign for
    /// omega, a small ç) would not agree with these.
    #[rustfmt::skip]
    const DEFAULT_BY_SEPTET: [u32; 128] = [
        0x40, 0xA3, 0x24, 0xA5, 0xE8, 0xE9, 0xF9, 0xEC, 0xF2, 0xC7, 0x0A, 0xD8, 0xF8, 0x0D, 0xC5, 0xE5,
        0x394, 0x5F, 0x3A6, 0x393, 0x39B, 0x3A9, 0x3A0, 0x3A8, 0x3A3, 0x398, 0x39E, NONE, 0xC6, 0xE6, 0xDF, 0xC9,
        0x20, 0x21, 0x22, 0x23, 0xA4, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F,
        0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F,
        0xA1, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F,
        0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0xC4, 0xD6, 0xD1, 0xDC, 0xA7,
        0xBF, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F,
        0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0xE4, 0xF6, 0xF1, 0xFC, 0xE0,
    ];
    /// No character's code point.
    const NONE: u32 = u32::MAX;
    const ESCAPE: u8 = 0x1B;
    const EXTENSION_BY_SEPTET: [(u8, u32); 10] = [
        (0x0A, 0x0C),
        (0x14, 0x5E),
        (0x28, 0x7B),
        (0x29, 0x7D),
        (0x2F, 0x5C),
        (0x3C, 0x5B),
        (0x3D, 0x7E),
        (0x3E, 0x5D),
        (0x40, 0x7C),
        (0x65, 0x20AC),
    ];

    /// The septets that go on the air, if GSM-7 has the character.
    fn on_the_air(character: char) -> Option<Vec<u8>> {
        let code = u32::from(character);
        let default = DEFAULT_BY_SEPTET.iter().position(|known| *known == code).map(|septet| vec![septet as u8]);
        let extension = EXTENSION_BY_SEPTET.iter().find(|(_, known)| *known == code);
        default.or_else(|| extension.map(|(septet, _)| vec![ESCAPE, *septet]))
    }

    /// Lays the whole body out as it is sent, then cuts at the limit, or one before it where the cut would fall between
    /// the halves of a character.
    fn by_hand(body: &str) -> (Encoding, usize, usize) {
        match body.chars().map(on_the_air).collect::<Option<Vec<_>>>() {
            Some(septets) => {
                let septets = septets.concat();
                (Gsm7, parts(&septets, 160, 153, |last| last == ESCAPE), septets.len())
            }
            None => {
                let units: Vec<u16> = body.encode_utf16().collect();
                (Ucs2, parts(&units, 70, 67, |last| (0xD800..0xDC00).contains(&last)), units.len())
            }
        }
    }

    fn parts<T: Copy>(units: &[T], alone: usize, joined: usize, is_first_half: impl Copy + Fn(T) -> bool) -> usize {
        if units.len() <= alone {
            return 1;
        }
        let (mut parts, mut rest) = (0, units);
        while !rest.is_empty() {
            let cut = if rest.len() > joined && is_first_half(rest[joined - 1]) { joined - 1 } else { joined };
            rest = &rest[cut.min(rest.len())..];
            parts += 1;
        }
        parts
    }

    /// `a(3) + "€"` reads better than a literal of hundreds of characters.
    fn a(length: usize) -> String {
        "a".repeat(length)
    }

    /// A letter that only UCS-2 has, of one unit.
    fn wide(length: usize) -> String {
        "ç".repeat(length)
    }

    #[rstest]
    #[case::empty(a(0), Gsm7, 1, 0)]
    #[case::one(a(1), Gsm7, 1, 1)]
    #[case::alone_just_short(a(159), Gsm7, 1, 159)]
    #[case::alone_full(a(160), Gsm7, 1, 160)]
    #[case::no_longer_alone(a(161), Gsm7, 2, 161)]
    #[case::two_full(a(306), Gsm7, 2, 306)]
    #[case::three(a(307), Gsm7, 3, 307)]
    #[case::three_full(a(459), Gsm7, 3, 459)]
    #[case::four(a(460), Gsm7, 4, 460)]
    // Alone, an extension character costs two and has no edge to straddle but the end.
    #[case::alone_to_the_edge(a(158) + "€", Gsm7, 1, 160)]
    #[case::alone_over_the_edge(a(159) + "€", Gsm7, 2, 161)]
    #[case::alone_across_the_joined_edge(a(152) + "€" + &a(6), Gsm7, 1, 160)]
    #[case::alone_of_extensions("{".repeat(80), Gsm7, 1, 160)]
    #[case::two_of_extensions("{".repeat(81), Gsm7, 2, 162)]
    // The extension character ends at septet 153, would straddle 153 and 154 (its part keeps 152), begins at 154.
    #[case::before_the_edge(a(151) + "€" + &a(153), Gsm7, 2, 306)]
    #[case::before_the_edge_and_one(a(151) + "€" + &a(154), Gsm7, 3, 307)]
    #[case::at_the_edge(a(152) + "€" + &a(151), Gsm7, 2, 305)]
    #[case::at_the_edge_and_one(a(152) + "€" + &a(152), Gsm7, 3, 306)]
    #[case::after_the_edge(a(153) + "€" + &a(151), Gsm7, 2, 306)]
    #[case::after_the_edge_and_one(a(153) + "€" + &a(152), Gsm7, 3, 307)]
    #[case::at_the_second_edge(a(305) + "]", Gsm7, 3, 307)]
    // 76 extension characters a part, and a septet of each is lost.
    #[case::two_full_of_extensions("|".repeat(152), Gsm7, 2, 304)]
    #[case::three_for_a_lost_septet("|".repeat(153), Gsm7, 3, 306)]
    #[case::ucs2_one(wide(1), Ucs2, 1, 1)]
    #[case::ucs2_alone_full(wide(70), Ucs2, 1, 70)]
    #[case::ucs2_no_longer_alone(wide(71), Ucs2, 2, 71)]
    #[case::ucs2_two_full(wide(134), Ucs2, 2, 134)]
    #[case::ucs2_three(wide(135), Ucs2, 3, 135)]
    // One character at either end puts the whole body into UCS-2, where an extension character costs one.
    #[case::forced_by_the_first(wide(1) + &a(70), Ucs2, 2, 71)]
    #[case::forced_by_the_last(a(69) + "ç", Ucs2, 1, 70)]
    #[case::forced_after_one_part(a(70) + "ç", Ucs2, 2, 71)]
    #[case::forced_after_a_full_part(a(67) + "ç" + &a(66), Ucs2, 2, 134)]
    #[case::forced_after_two_full_parts(a(134) + "ç", Ucs2, 3, 135)]
    #[case::forced_after_extensions("€".repeat(69) + "ç", Ucs2, 1, 70)]
    // A pair alone, and one that ends at unit 67, would straddle 67 and 68 (its part keeps 66), begins at 68.
    #[case::pair("😀".to_owned(), Ucs2, 1, 2)]
    #[case::pairs_alone("😀".repeat(35), Ucs2, 1, 70)]
    #[case::pair_alone_across_the_joined_edge(a(66) + "😀" + &a(2), Ucs2, 1, 70)]
    #[case::pair_alone_over_the_edge(a(69) + "😀", Ucs2, 2, 71)]
    #[case::pair_before_the_edge(a(65) + "😀" + &a(67), Ucs2, 2, 134)]
    #[case::pair_before_the_edge_and_one(a(65) + "😀" + &a(68), Ucs2, 3, 135)]
    #[case::pair_at_the_edge(a(66) + "😀" + &a(65), Ucs2, 2, 133)]
    #[case::pair_at_the_edge_and_one(a(66) + "😀" + &a(66), Ucs2, 3, 134)]
    #[case::pair_after_the_edge(a(67) + "😀" + &a(65), Ucs2, 2, 134)]
    #[case::pair_after_the_edge_and_one(a(67) + "😀" + &a(66), Ucs2, 3, 135)]
    #[case::two_full_of_pairs("😀".repeat(66), Ucs2, 2, 132)]
    #[case::three_for_a_lost_unit("😀".repeat(67), Ucs2, 3, 134)]
    #[case::longest(a(39_015), Gsm7, 255, 39_015)]
    #[case::longest_of_extensions("€".repeat(255 * 76), Gsm7, 255, 38_760)]
    #[case::ucs2_longest(wide(17_085), Ucs2, 255, 17_085)]
    #[case::ucs2_longest_of_pairs("😀".repeat(255 * 33), Ucs2, 255, 16_830)]
    fn counts(#[case] body: String, #[case] encoding: Encoding, #[case] segments: u16, #[case] units: usize) {
        assert_eq!(count(&body), Ok(Segmented { encoding, segments, units }));
        assert_eq!(by_hand(&body), (encoding, usize::from(segments), units));
    }

    #[rstest]
    #[case(a(39_016), 256)]
    #[case(a(39_014) + "€", 256)]
    #[case("€".repeat(255 * 76 + 1), 256)]
    #[case(wide(17_086), 256)]
    #[case(a(17_084) + "😀", 256)]
    #[case("😀".repeat(255 * 33 + 1), 256)]
    #[case(wide(67 * 65_536 + 1), 65_537)] // not 1, as it would be in 16 bits
    fn refuses_what_no_message_holds(#[case] body: String, #[case] segments: usize) {
        assert_eq!(count(&body), Err(TooLong { segments }));
    }

    #[test]
    fn says_what_to_do() {
        assert_eq!(
            TooLong { segments: 256 }.to_string(),
            "takes 256 segments, and one message has at most 255: shorten it, or send it as several"
        );
    }

    /// Every character there is, so that nothing but the 127 and the 10 passes for GSM-7.
    #[test]
    fn the_tables_are_those_of_the_standard() {
        let mut known = [0; 3];
        for character in '\0'..=char::MAX {
            let expected = on_the_air(character).map(|septets| septets.len());
            assert_eq!(septets(character), expected, "{character:?}");
            known[expected.unwrap_or(0)] += 1;

            let encoding = if expected.is_some() { Gsm7 } else { Ucs2 };
            let units = expected.unwrap_or(character.len_utf16());
            let mut buffer = [0; 4];
            let body = character.encode_utf8(&mut buffer);
            assert_eq!(count(body), Ok(Segmented { encoding, segments: 1, units }), "{character:?}");
        }
        assert_eq!(known[1..], [127, 10]);
    }

    #[rstest]
    #[case("", "")]
    #[case("Price: 5€ [net] {a|b} ~^\\ \u{0C}", "")]
    #[case("naïve façade, naïve", "ïç")]
    #[case("“Hi” – it’s 😀😀 ‘ok’…", "“”–’😀‘…")] // what a word processor makes of plain quotes
    #[case("`\t\u{1B}Ω", "`\t\u{1B}")]
    #[case("\u{2126}\u{3C9}e\u{301}", "\u{2126}\u{3C9}\u{301}")] // the ohm sign, small omega, é in two characters
    fn shows_what_forces_ucs2(#[case] body: &str, #[case] forcing: &str) {
        assert_eq!(forcing_ucs2(body), forcing.chars().collect::<Vec<_>>());
    }

    fn gsm7_character() -> impl Strategy<Value = char> {
        let default = DEFAULT_BY_SEPTET.into_iter().filter_map(char::from_u32).collect::<Vec<_>>();
        let extension =
            EXTENSION_BY_SEPTET.into_iter().filter_map(|(_, code)| char::from_u32(code)).collect::<Vec<_>>();
        prop_oneof![3 => prop::sample::select(default), 1 => prop::sample::select(extension)]
    }

    fn ucs2_character() -> impl Strategy<Value = char> {
        prop_oneof![Just('ç'), Just('😀'), any::<char>()].prop_filter("is in GSM-7", |it| on_the_air(*it).is_none())
    }

    /// Lengths gather where the parts end.
    fn body_of(character: impl Strategy<Value = char> + Clone) -> impl Strategy<Value = String> {
        let length = prop_oneof![0..80_usize, 130..165_usize, 280..480_usize];
        length
            .prop_flat_map(move |length| prop::collection::vec(character.clone(), length))
            .prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn gsm7_characters_alone_are_gsm7(body in body_of(gsm7_character().boxed())) {
            let (encoding, segments, units) = by_hand(&body);
            prop_assert_eq!(encoding, Gsm7);
            prop_assert_eq!(count(&body), Ok(Segmented { encoding, segments: segments as u16, units }));
            prop_assert_eq!(forcing_ucs2(&body), Vec::<char>::new());
        }

        #[test]
        fn one_other_character_anywhere_makes_ucs2(
            body in body_of(prop_oneof![12 => gsm7_character(), 1 => ucs2_character()].boxed()),
            other in ucs2_character(),
            place in any::<prop::sample::Index>(),
        ) {
            let mut characters: Vec<char> = body.chars().collect();
            characters.insert(place.index(characters.len() + 1), other);
            let body: String = characters.into_iter().collect();
            let (encoding, segments, units) = by_hand(&body);
            prop_assert_eq!(encoding, Ucs2);
            prop_assert_eq!(count(&body), Ok(Segmented { encoding, segments: segments as u16, units }));
            prop_assert!(forcing_ucs2(&body).contains(&other));
        }

        #[test]
        fn agrees_with_cutting_by_hand(body in body_of(prop_oneof![Just('a'), Just('€'), Just('😀'), Just('ç')].boxed())) {
            let (encoding, segments, units) = by_hand(&body);
            prop_assert_eq!(count(&body), Ok(Segmented { encoding, segments: segments as u16, units }));
        }

        #[test]
        fn reads_any_text(body in any::<String>()) {
            let (encoding, segments, units) = by_hand(&body);
            prop_assert_eq!(count(&body), Ok(Segmented { encoding, segments: segments as u16, units }));

            let mut forcing: Vec<char> = vec![];
            for character in body.chars() {
                if on_the_air(character).is_none() && !forcing.contains(&character) {
                    forcing.push(character);
                }
            }
            prop_assert_eq!(forcing.is_empty(), encoding == Gsm7);
            prop_assert_eq!(forcing_ucs2(&body), forcing);
        }
    }
}
