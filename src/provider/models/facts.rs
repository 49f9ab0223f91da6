//! Sizes and prices of single models, as `tools/models` writes them.

use crate::{
    dialect::json::{ReadError, Reader},
    ir::Prices,
};

/// What is known of one name.
#[derive(Debug, PartialEq)]
pub(super) struct Facts {
    /// See `Profile::context_tokens_max`.
    pub(super) context_tokens: Option<u32>,
    /// See `Profile::output_tokens_max`.
    pub(super) output_tokens: Option<u32>,
    pub(super) prices: Option<Prices>,
}

/// A provider's models by name, in order: looked for by halves, since a table of hashes would be half empty.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) provider: Box<str>,
    pub(super) models: Box<[(Box<str>, Facts)]>,
}

impl Section {
    pub(super) fn find(&self, name: &str) -> Option<&Facts> {
        let at = self.models.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.models.get(at).map(|(_, facts)| facts)
    }
}

/// All sections of a file.
pub(super) fn read(text: &str) -> Result<Vec<Section>, ReadError> {
    let mut sections = Vec::new();
    let mut reader = Reader::new(text);
    reader.object(|name, reader| match name {
        "models" => reader.object(|provider, reader| {
            let mut models = Vec::new();
            reader.object(|name, reader| {
                models.push((name.into(), read_facts(reader)?));
                Ok(())
            })?;
            sections.push(Section { provider: provider.into(), models: models.into() });
            Ok(())
        }),
        _ => Ok(()),
    })?;
    reader.end()?;
    Ok(sections)
}

/// `[context, answer, price of the request, of the answer, of reading a cache, of writing it]`, what is at the
/// end and not known left out.
fn read_facts(reader: &mut Reader<'_>) -> Result<Facts, ReadError> {
    let mut numbers = [None; 6];
    let mut places = numbers.iter_mut();
    reader.array(|reader| {
        let place = places.next().ok_or_else(|| ReadError::invalid("is one too many"))?;
        *place = reader.number_unless_null()?.and_then(|number| number.as_number());
        Ok(())
    })?;
    let [context_tokens, output_tokens, input, output, cache_read, cache_write] = numbers;
    let tokens = |number: Option<f64>| number.map(|number| number as u32);
    let prices = input.zip(output).map(|(input, output)| Prices { input, output, cache_read, cache_write });
    Ok(Facts { context_tokens: tokens(context_tokens), output_tokens: tokens(output_tokens), prices })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out_or_null() {
        let sections = read(r#"{"models": {"p": {"a": [10], "b": [null, 5, 0.25, 1, null, 2]}}}"#).unwrap();
        let section = &sections[0];
        assert_eq!(
            section.find("a"),
            Some(&Facts { context_tokens: Some(10), output_tokens: None, prices: None })
        );
        let prices = Prices { input: 0.25, output: 1.0, cache_read: None, cache_write: Some(2.0) };
        assert_eq!(
            section.find("b"),
            Some(&Facts { context_tokens: None, output_tokens: Some(5), prices: Some(prices) })
        );
        assert_eq!(section.find("c"), None);
    }

    #[test]
    fn a_file_of_another_shape_is_refused() {
        for text in
            ["", "[]", r#"{"models": {"p": {"a": 1}}}"#, r#"{"models": {"p": {"a": [1, 2, 3, 4, 5, 6, 7]}}}"#]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
