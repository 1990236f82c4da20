//! Where the functions and the tests of a Rust source are.

use std::ops::RangeInclusive;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::lexeme::{collect, lines};

/// The functions of a file, and the lines that only tests compile.
#[derive(Default)]
pub(super) struct Outline {
    pub(super) functions: Vec<Function>,
    pub(super) tests: Vec<RangeInclusive<usize>>,
}

/// A function and where its braces are.
pub(super) struct Function {
    pub(super) name: String,
    /// From the line of the opening brace to that of the closing one.
    pub(super) lines: RangeInclusive<usize>,
    pub(super) has_reason: bool,
}

impl Function {
    /// The lines between the braces, as Clippy counts them.
    pub(super) fn inside(&self) -> RangeInclusive<usize> {
        self.lines.start() + 1..=(self.lines.end() - 1).max(*self.lines.start() + 1)
    }
}

impl Outline {
    /// Walks a parsed file.
    pub(super) fn of(file: &syn::File) -> Self {
        let mut outline = Self::default();
        outline.visit_file(file);
        outline
    }

    fn add_function(
        &mut self,
        signature: &syn::Signature,
        attributes: &[syn::Attribute],
        block: &syn::Block,
    ) {
        if attributes.iter().any(is_test) {
            self.tests.push(lines(block.span()));
        }
        self.functions.push(Function {
            name: signature.ident.to_string(),
            lines: lines(block.span()),
            has_reason: attributes.iter().any(excuses_length),
        });
    }
}

impl<'ast> Visit<'ast> for Outline {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add_function(&item.sig, &item.attrs, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add_function(&item.sig, &item.attrs, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add_function(&item.sig, &item.attrs, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(is_test) {
            self.tests.push(lines(item.span()));
        }
        visit::visit_item_mod(self, item);
    }
}

/// True for `#[test]`, `#[tokio::test]` and `#[cfg(test)]`.
fn is_test(attribute: &syn::Attribute) -> bool {
    let ends_in_test = attribute
        .path()
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "test");
    ends_in_test
        || (attribute.path().is_ident("cfg") && words(attribute).iter().any(|word| word == "test"))
}

fn excuses_length(attribute: &syn::Attribute) -> bool {
    let words = words(attribute);
    let names = |wanted: &str| words.iter().any(|word| word == wanted);
    attribute.path().is_ident("expect") && names("too_many_lines") && names("reason")
}

fn words(attribute: &syn::Attribute) -> Vec<String> {
    let mut lexemes = Vec::new();
    if let syn::Meta::List(list) = &attribute.meta {
        collect(list.tokens.clone(), &mut lexemes);
    }
    lexemes.into_iter().map(|lexeme| lexeme.text).collect()
}
