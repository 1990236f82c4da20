//! Rust sources as a flat run of tokens, macro arguments included.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// One token, without the comments around it.
pub(super) struct Lexeme {
    pub(super) text: String,
    pub(super) lines: RangeInclusive<usize>,
}

/// Flattens the tokens; `::` becomes one lexeme, documentation becomes none.
pub(super) fn collect(stream: TokenStream, lexemes: &mut Vec<Lexeme>) {
    // Where the `#` of an attribute is, until its bracket comes.
    let mut pound_at = None;
    for tree in stream {
        match tree {
            TokenTree::Group(group) => match pound_at.take() {
                Some(at) if is_documentation(&group) => lexemes.truncate(at),
                Some(_) | None => collect_group(&group, lexemes),
            },
            TokenTree::Punct(punct) => {
                let line = punct.span().start().line;
                let letter = punct.as_char();
                match lexemes.last_mut() {
                    Some(last) if letter == ':' && last.text == ":" => last.text.push(':'),
                    Some(_) | None => lexemes.push(Lexeme {
                        text: letter.to_string(),
                        lines: line..=line,
                    }),
                }
                pound_at = match letter {
                    '#' => Some(lexemes.len() - 1),
                    '!' => pound_at,
                    _ => None,
                };
            }
            TokenTree::Ident(ident) => {
                lexemes.push(Lexeme {
                    text: ident.to_string(),
                    lines: lines(ident.span()),
                });
                pound_at = None;
            }
            TokenTree::Literal(literal) => {
                lexemes.push(Lexeme {
                    text: literal.to_string(),
                    lines: lines(literal.span()),
                });
                pound_at = None;
            }
        }
    }
}

fn collect_group(group: &Group, lexemes: &mut Vec<Lexeme>) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    };
    lexemes.push(Lexeme {
        text: open.to_owned(),
        lines: lines(group.span_open()),
    });
    collect(group.stream(), lexemes);
    lexemes.push(Lexeme {
        text: close.to_owned(),
        lines: lines(group.span_close()),
    });
}

fn is_documentation(group: &Group) -> bool {
    let mut trees = group.stream().into_iter();
    matches!(trees.next(), Some(TokenTree::Ident(ident)) if ident == "doc")
        && matches!(trees.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=')
}

/// True when the lexemes begin with these texts.
pub(super) fn starts_with(lexemes: &[Lexeme], tokens: &[&str]) -> bool {
    tokens.len() <= lexemes.len()
        && lexemes
            .iter()
            .zip(tokens)
            .all(|(lexeme, token)| lexeme.text == *token)
}

/// The lines that a span covers, counted from 1.
pub(super) fn lines(span: Span) -> RangeInclusive<usize> {
    span.start().line..=span.end().line
}
