//! Text as it is searched: in lower case, without accents, and in the words of a question.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Letters that the shortest word has which an index finds.
pub const PIECE_CHARS: usize = 3;

/// A question as it is compared: one of these groups, all words of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    groups: Vec<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    #[error("at least one word has {PIECE_CHARS} letters or digits: write more of it")]
    Short,
    #[error(
        "at most {} characters are searched for: write less",
        Question::CHARS_MAX
    )]
    Long,
    #[error("at most {} words are searched for: write fewer", Question::WORDS_MAX)]
    Many,
}

/// Without case and accents, so that what sounds the same is found.
pub fn folded(text: &str) -> String {
    let bare = text.nfd().filter(|letter| !is_combining_mark(*letter));
    bare.flat_map(char::to_lowercase).collect()
}

impl Question {
    pub const CHARS_MAX: usize = 100;
    pub const WORDS_MAX: usize = 8;

    /// Reads what somebody typed. What looks like a telephone number is also searched for as one,
    /// without what stands between its digits and without what is dialled before it.
    pub fn parse(raw: &str) -> Result<Self, QuestionError> {
        if Self::CHARS_MAX < raw.chars().count() {
            return Err(QuestionError::Long);
        }
        let mut words: Vec<String> = folded(raw)
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        // The longest first: it is the one that is found least often.
        words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        words.dedup();
        if Self::WORDS_MAX < words.len() {
            return Err(QuestionError::Many);
        }
        let number = find_number(raw).map(|number| vec![number]);
        let is_long = |group: &Vec<String>| {
            let longest = group.first().map_or(0, |word| word.chars().count());
            PIECE_CHARS <= longest
        };
        let mut groups: Vec<Vec<String>> = Vec::with_capacity(2);
        for group in number.into_iter().chain([words]).filter(is_long) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        if groups.is_empty() {
            return Err(QuestionError::Short);
        }
        Ok(Self { groups })
    }

    /// What is searched for: any of these groups, all words of it, the longest first.
    pub fn groups(&self) -> &[Vec<String>] {
        &self.groups
    }

    /// Whether a text that is folded has what is searched for.
    pub fn is_in(&self, content: &str) -> bool {
        let has_all = |words: &Vec<String>| words.iter().all(|word| content.contains(word));
        self.groups.iter().any(has_all)
    }

    /// Whether a text has one of the words, as it is or as a telephone number.
    pub fn touches(&self, text: &str) -> bool {
        let content = folded(text);
        let digits = digits(text);
        let mut words = self.groups.iter().flatten();
        words.any(|word| content.contains(word) || digits.contains(word))
    }
}

/// The digits of a text.
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The three letters long pieces of a text that are letters and digits throughout.
pub fn pieces(content: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = content.char_indices().map(|(at, _)| at).collect();
    starts.push(content.len());
    let windows = starts.windows(PIECE_CHARS + 1);
    let mut pieces: Vec<&str> = windows
        .map(|window| &content[window[0]..window[PIECE_CHARS]])
        .filter(|piece| piece.chars().all(char::is_alphanumeric))
        .collect();
    pieces.sort_unstable();
    pieces.dedup();
    pieces
}

/// The digits of what is written like a telephone number, without the zeros before it.
fn find_number(raw: &str) -> Option<String> {
    let is_plain = |letter: char| {
        letter.is_ascii_digit() || matches!(letter, '+' | '-' | '(' | ')' | '.' | ' ' | '/')
    };
    if !raw.chars().all(is_plain) {
        return None;
    }
    let digits = digits(raw);
    Some(digits.trim_start_matches('0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Result<&[&[&str]], QuestionError>) {
        let actual = Question::parse(raw);
        let actual = actual.as_ref().map(Question::groups);
        let expected = expected.map(|groups| {
            let own = |group: &&[&str]| group.iter().map(ToString::to_string).collect();
            groups.iter().map(own).collect::<Vec<Vec<String>>>()
        });
        assert_eq!(actual, expected.as_deref(), "{raw}");
    }

    #[test]
    fn a_question_is_cut_into_words_the_longest_first() {
        check("José  Kamau", Ok(&[&["kamau", "jose"]]));
        check("ana.paz@example", Ok(&[&["example", "ana", "paz"]]));
    }

    #[test]
    fn a_telephone_number_is_found_in_every_form() {
        check(
            "+254 712-345 678",
            Ok(&[&["254712345678"], &["254", "712", "345", "678"]]),
        );
        check("0712345678", Ok(&[&["712345678"], &["0712345678"]]));
    }

    #[test]
    fn what_is_too_short_or_too_long_is_refused() {
        check("", Err(QuestionError::Short));
        check("a b c", Err(QuestionError::Short));
        check("00", Err(QuestionError::Short));
        check(&"a".repeat(101), Err(QuestionError::Long));
        check("a b c d e f g h ijk", Err(QuestionError::Many));
    }

    #[test]
    fn pieces_are_letters_and_digits_throughout() {
        assert_eq!(pieces("ana.paz7"), ["ana", "az7", "paz"]);
        assert_eq!(pieces("éé"), Vec::<&str>::new());
        assert_eq!(pieces("ééé"), ["ééé"]);
    }

    #[test]
    fn folding_takes_case_and_accents_away() {
        assert_eq!(folded("ÉCLAIR Ñandú"), "eclair nandu");
    }
}
