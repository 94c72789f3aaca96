use proptest::prelude::*;

use super::*;

#[test]
fn a_name_is_trimmed_composed_and_on_one_line() {
    let decomposed = " Jose\u{301} ";
    assert!(check_name("name", decomposed).is_err());
    assert_eq!(check_name("name", &normalize(decomposed)), Ok(()));
    assert_eq!(normalize(decomposed), "Jos\u{e9}");
    for refused in ["", " ", "a\nb", "a\u{0}", "a\u{202e}b", &"x".repeat(101)] {
        assert!(check_name("name", &normalize(refused)).is_err(), "{refused:?}");
    }
    assert_eq!(check_name("name", &"\u{e9}".repeat(100)), Ok(()));
}

/// Names as people, teams and devices bear them.
const ORDINARY: &[&str] = &[
    "Ada Lovelace",
    "Jos\u{e9} Garc\u{ed}a",
    "Siobh\u{e1}n O'Brien",
    "D\u{2019}Artagnan",
    "Jean-Luc",
    "K\u{131}l\u{131}\u{e7}",
    "Kof\u{254} \u{190}sih",
    "M.\u{aa} Jos\u{e9}",
    "Dr. Strange, M.D.",
    "Nguy\u{1ec5}n Th\u{1ecb} Ph\u{1b0}\u{1a1}ng",
    "\u{141}ukasz \u{17b}\u{f3}\u{142}\u{107}",
    "\u{418}\u{432}\u{430}\u{43d} \u{41f}\u{435}\u{442}\u{440}\u{43e}\u{432}",
    "\u{395}\u{3bb}\u{3ad}\u{3bd}\u{3b7}",
    "\u{5d3}\u{5b8}\u{5bc}\u{5d5}\u{5b4}\u{5d3}",
    "\u{5e6}\u{5d4}\u{5f4}\u{5dc}",
    "\u{645}\u{62d}\u{645}\u{651}\u{62f}",
    "\u{639}\u{644}\u{6cc}\u{200c}\u{631}\u{636}\u{627}", // Alireza, with the non-joiner that Persian needs
    "\u{930}\u{93e}\u{91c}\u{94d}\u{200d}",
    "\u{9b0}\u{200d}\u{9cd}\u{9af}\u{9be}\u{99a}\u{9c7}\u{9b2}",
    "\u{d30}\u{d3e}\u{d1c}\u{d28}\u{d4d}\u{200d}",
    "\u{e2a}\u{e21}\u{e0a}\u{e31}\u{e22}",
    "\u{f56}\u{f66}\u{f92}\u{fb2}\u{f74}\u{f56}\u{f66}",
    "\u{10d2}\u{10d8}\u{10dd}\u{10e0}\u{10d2}\u{10d8}",
    "\u{1200}\u{12ed}\u{120c}",
    "\u{5c71}\u{7530} \u{592a}\u{90ce}",
    "\u{5c71}\u{7530}\u{30a8}\u{30ea}\u{304b}",
    "\u{ae40}\u{bbfc}\u{c900}",
    "LINE\u{682a}\u{5f0f}\u{4f1a}\u{793e}",
    "\u{ff21}\u{ff22}\u{ff23}\u{5546}\u{4e8b}",
    "Team \u{418}\u{432}\u{430}\u{43d}",
    "Berlin\u{2013}\u{41c}\u{43e}\u{441}\u{43a}\u{432}\u{430}",
    "C++ & Rust (2026) #1",
    "\u{bd} \u{b5}m\u{b2} \u{2122}",
    "\u{1f389} Party \u{1f389}",
    "\u{2764}\u{fe0f}",
    "1\u{fe0f}\u{20e3}",
    "\u{1f468}\u{1f3fd}\u{200d}\u{1f680}",
    "\u{1f469}\u{200d}\u{2764}\u{fe0f}\u{200d}\u{1f469}",
    "\u{1f1e9}\u{1f1ea}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
    "Ann's iPhone",
    "...",
    "7",
];

#[test]
fn ordinary_names_of_every_script_and_emoji_pass() {
    for name in ORDINARY {
        assert_eq!(check_name("name", &normalize_name(name)), Ok(()), "{name} {name:?}");
    }
}

#[test]
fn a_name_has_nothing_invisible_in_it() {
    for invisible in [
        '\u{200b}',
        '\u{3164}',
        '\u{115f}',
        '\u{1160}',
        '\u{ffa0}',
        '\u{ad}',
        '\u{2060}',
        '\u{2064}',
        '\u{e0041}',
        '\u{61c}',
        '\u{2028}',
        '\u{2029}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{202e}',
        '\u{2066}',
        '\u{feff}',
        '\u{34f}',
        '\u{17b4}',
        '\u{180e}',
        '\u{fe00}',
        '\u{fe0f}',
        '\u{e0100}',
        '\u{2800}',
        '\u{fff9}',
        '\u{e000}',
        '\u{10ffff}',
        '\u{378}',
        '\u{0}',
        '\u{1b}',
        '\u{9b}',
    ] {
        for name in
            [format!("{invisible}"), format!("Ada{invisible}Lovelace"), format!("Ada {invisible}Lovelace")]
        {
            assert!(check_name("name", &normalize_name(&name)).is_err(), "{name:?}");
        }
    }
}

#[test]
fn joiners_and_selectors_stand_only_where_they_show() {
    for name in [
        "\u{1f389}\u{fe0f}",                                      // an emoji already
        "a\u{fe0f}",                                              // no emoji
        "1\u{fe0f}",                                              // no keycap
        "\u{1f468}\u{200d}a",                                     // joins no emoji
        "\u{1f3f4}\u{e0067}\u{e007f}",                            // no flag
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}", // never ends
        "\u{645}\u{627}\u{200c}\u{645}",                          // alef does not join anyway
        "\u{645}\u{200d}\u{645}",                                 // they join anyway
        "\u{915}\u{200d}\u{915}",                                 // no virama
    ] {
        assert!(check_name("name", name).is_err(), "{name:?}");
    }
}

#[test]
fn a_name_looks_like_itself_only() {
    for name in [
        "\u{410}da Lovelace",                   // a Cyrillic A before Latin letters
        "p\u{430}ypal",                         // a Cyrillic a among Latin letters
        "\u{3b1}lpha",                          // a Greek alpha
        "p\u{251}ypal",                         // a phonetic alpha
        "A\u{274}n",                            // a small capital
        "\u{1d400}\u{1d41d}\u{1d41a}",          // mathematical bold
        "a\u{302}\u{323}\u{323}\u{331}",        // one mark twice
        "a\u{310}\u{311}\u{312}\u{313}\u{314}", // piled up
        "\u{301}a",                             // upon nothing
    ] {
        assert!(check_name("name", &normalize_name(name)).is_err(), "{name:?}");
    }
}

#[test]
fn white_space_in_a_name_is_single_plain_spaces() {
    assert_eq!(
        normalize_name("\u{3000}\u{5c71}\u{7530}\u{3000} \u{592a}\u{90ce} "),
        "\u{5c71}\u{7530} \u{592a}\u{90ce}"
    );
    assert_eq!(normalize_name("Ada\u{a0}\u{2003}Lovelace"), "Ada Lovelace");
    for name in ["Ada  Lovelace", "Ada\u{a0}Lovelace", "\u{3000}"] {
        assert!(check_name("name", name).is_err(), "{name:?}");
    }
}

#[test]
fn text_of_several_lines_has_nothing_invisible_either() {
    assert_eq!(check_text("topic", "Two\n\tlines \u{1f468}\u{200d}\u{1f680}", 100), Ok(()));
    for text in ["a\u{200b}b", "a\u{2028}b", "a\u{0}b", "a\u{202e}b", "\u{e000}"] {
        assert!(check_text("topic", text, 100).is_err(), "{text:?}");
    }
}

proptest! {
    /// Whatever passes is shown whole: without its joiners and selectors nothing ignorable is left, and normalising it again
    /// changes nothing.
    #[test]
    fn what_passes_has_one_form_and_is_visible(name in "\\PC{0,12}|[a-zA-Z\u{430}-\u{44f} '\u{200b}-\u{200f}\u{fe0f}\u{1f3fb}-\u{1f5ff}]{1,12}") {
        let normal = normalize_name(&name);
        prop_assert_eq!(normalize_name(&normal), normal.clone());
        if check_name("name", &normal).is_ok() {
            prop_assert!(normal.chars().any(characters::is_visible));
            let hidden = ['\u{200b}', '\u{200e}', '\u{200f}', '\u{2028}', '\n', '\u{0}'];
            let (hides, gapes) = (normal.contains(hidden), normal.contains("  "));
            prop_assert!(!hides && !gapes, "{normal:?}");
        }
    }

    /// An invisible character makes every name another text, and none of them passes.
    #[test]
    fn one_invisible_character_spoils_every_name(which in 0..ORDINARY.len(), at in 0usize..8, invisible in prop_oneof![
        Just('\u{200b}'), Just('\u{2060}'), Just('\u{ad}'), Just('\u{3164}'), Just('\u{202e}'), Just('\u{e0041}'), Just('\u{2028}'),
    ]) {
        let mut name: Vec<char> = normalize_name(ORDINARY[which]).chars().collect();
        name.insert(at.min(name.len() - 1), invisible);
        let name: String = name.into_iter().collect();
        prop_assume!(normalize_name(&name).contains(invisible));
        prop_assert!(check_name("name", &normalize_name(&name)).is_err());
    }

    #[test]
    fn an_email_address_is_normal_after_one_step(email in "[a-zA-Z\u{c0}-\u{24f}.]{1,8}@[a-zA-Z0-9\u{c0}-\u{24f}\u{4e00}-\u{4e20}.-]{1,16}") {
        let normal = normalize_email(&email);
        prop_assert_eq!(normalize_email(&normal), normal.clone());
        if check_email("email", &normal).is_ok() {
            prop_assert!(normal.rsplit_once('@').unwrap().1.is_ascii());
        }
    }
}

#[test]
fn an_email_address_has_one_form() {
    assert_eq!(normalize_email(" Ann@Example.ORG "), "ann@example.org");
    for taken in
        ["ann@example.org", "a.b+c@sub.example.org", "j\u{f6}rg@xn--mller-kva.example", "a@r3---sn.example"]
    {
        assert_eq!(check_email("email", taken), Ok(()), "{taken}");
    }
    let long = format!("{}@example.org", "a".repeat(65));
    for refused in [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@example",
        "a@b@example.org",
        "Ann@example.org",
        " ann@example.org",
        "a b@example.org",
        "ann@-a.org",
        "ann@a..org",
        "ann@a.org.",
        ".ann@a.org",
        "ann@exa\nmple.org",
        "<a@b.org>",
        "a\u{3164}@b.org",
        "a@m\u{fc}ller.example",
        "a@xn--a.example",
        &long,
    ] {
        assert!(check_email("email", refused).is_err(), "{refused:?}");
    }
}

#[test]
fn every_spelling_of_a_domain_is_one_address() {
    let spellings = [
        "ann@m\u{fc}ller.example",
        "ANN@MU\u{308}LLER.Example",
        "ann@XN--MLLER-KVA.example",
        "ann@m\u{fc}ller\u{3002}example",
    ];
    for spelling in spellings {
        assert_eq!(normalize_email(spelling), "ann@xn--mller-kva.example", "{spelling}");
    }
    assert!(!is_international("ann@xn--mller-kva.example") && is_international("j\u{f6}rg@example.org"));
}

#[test]
fn a_phone_number_is_international() {
    assert_eq!(check_phone("phone", "+4930123456"), Ok(()));
    for refused in ["", "+", "+1", "030123456", "+0301234", "+49 30 1", "+1234567890123456", "+49a"] {
        assert!(check_phone("phone", refused).is_err(), "{refused:?}");
    }
}

#[test]
fn an_address_may_have_lines_a_locale_may_not() {
    assert_eq!(check_address("address", "1 Main St\nTown"), Ok(()));
    assert!(check_address("address", &"x".repeat(501)).is_err());
    assert_eq!(check_locale("locale", "de-CH"), Ok(()));
    for refused in ["", "d", "de_CH", "de--CH", "abcdefghi"] {
        assert!(check_locale("locale", refused).is_err(), "{refused:?}");
    }
}
