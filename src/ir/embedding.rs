//! What vectors are asked for, and the vectors.

use std::borrow::Cow;

use super::{Raw, Text, Usage};

/// A request for vectors of texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingRequest<'a> {
    /// At least one.
    pub inputs: Vec<Text<'a>>,
    /// Length of a vector, where it is not the model's own.
    pub dimensions: Option<u64>,
    /// How numbers are told.
    pub encoding: VectorEncoding,
    /// Who the end user is.
    pub user: Option<Text<'a>>,
    /// Whatever else stands at the top, by the client's names.
    pub extra: Vec<(Cow<'a, str>, Raw<'a>)>,
}

/// How the numbers of a vector are told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum VectorEncoding {
    /// A list of numbers.
    #[default]
    Float,
    /// Base64 of 32-bit floats, the lowest byte first.
    Base64,
}

/// Vectors of texts, in the order of these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddingResponse<'a> {
    /// Lists of numbers, as the provider wrote them.
    pub vectors: Vec<Raw<'a>>,
    /// What has been used up, where that was told.
    pub usage: Option<Usage>,
}
