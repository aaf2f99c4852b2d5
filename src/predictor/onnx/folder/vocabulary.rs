/*!
Maps each symbol of a prompt to its one token, and each token to its text.

The tokenizer never sees a whole prompt: it would merge letters ("AT" is one token of most vocabularies). Each symbol is
looked up alone, and its token is accepted only if it decodes to that very symbol.
*/

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use tokenizers::{Encoding, Token, Tokenizer};

use super::{Card, Config, TOKENIZER, read_json, read_text};
use crate::error::{Error, Result, catch_panic};

/// Tokenizer classes of transformers 4.57 that replace the post-processor of `tokenizer.json`. For each: whether it
/// begins a text with a token if `add_bos_token` does not say, and that token if `bos_token` does not say.
/// `scripts/convert/hf_tokenizer.py` has the same table; tests/fixtures/models/special-tokens.json has cases for both.
const REPLACING: [(&str, bool, &str); 5] = [
    ("LlamaTokenizer", true, "<s>"),
    ("CodeLlamaTokenizer", true, "<s>"),
    ("GemmaTokenizer", true, "<bos>"),
    ("CohereTokenizer", true, "<BOS_TOKEN>"),
    ("GPTNeoXTokenizer", false, "<|endoftext|>"),
];

/// The message about a tokenizer that would put a token between prompt and answer.
const ENDS: &str = "its tokenizer ends each text with a token, which cannot stand before an answer (--bos never or always \
                    leaves it out)";

/// The text of a byte that is not a character by itself.
const FOREIGN: char = char::REPLACEMENT_CHARACTER;

enum Tokens {
    /// A token's id is its byte's value.
    Bytes,
    /// Those of `tokenizer.json`.
    Tokenizer(Box<Tokenizer>),
}

/// The symbols and tokens of one model. A symbol is looked up when it first occurs.
pub(crate) struct Vocabulary {
    tokens: Tokens,
    /// The special tokens that the model's tokenizer puts before a text, or why prompts cannot begin like that.
    pub leading: std::result::Result<Vec<u32>, String>,
    /// Number of token ids that the graph knows.
    size: usize,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    /// Reads a model folder's vocabulary: `tokenizer.json`, or bytes if the card says so.
    pub(crate) fn read(folder: &Path, card: &Card, config: &Config, size: usize) -> Result<Self> {
        let mut leading = Ok(Vec::new());
        let tokens = if card.vocabulary.as_deref() == Some("bytes") {
            Tokens::Bytes
        } else {
            let path = folder.join(TOKENIZER);
            if !path.is_file() {
                return Err(Error::model(format!(
                    "{}: no such file, and card.json does not say \"vocabulary\": \"bytes\"",
                    path.display()
                )));
            }
            let json = read_text(&path)?.unwrap_or_default();
            let mut tokenizer = catch_panic(|| Tokenizer::from_bytes(json).map_err(Error::data))
                .map_err(|error| Error::model(format!("{}: {error}", path.display())))?;
            // Padding would add tokens to a single character, and truncation could remove its token.
            tokenizer.with_padding(None);
            if tokenizer.with_truncation(None).is_err() {
                return Err(Error::model(format!(
                    "{}: truncation cannot be switched off",
                    path.display()
                )));
            }
            leading = self::leading(folder, config, &tokenizer);
            Tokens::Tokenizer(Box::new(tokenizer))
        };
        Ok(Self {
            tokens,
            leading,
            size,
            ids: HashMap::new(),
        })
    }

    /// The one token of a symbol.
    pub(crate) fn id(&mut self, symbol: &str) -> Result<u32> {
        if let Some(&id) = self.ids.get(symbol) {
            return Ok(id);
        }
        let id = self
            .candidates(symbol)
            .into_iter()
            .find(|&id| (id as usize) < self.size && self.text(id) == symbol)
            .ok_or_else(|| {
                Error::data(format!("symbol {symbol:?} is not one token of this model"))
            })?;
        self.ids.insert(symbol.to_owned(), id);
        Ok(id)
    }

    /// Tokens that may be the symbol, the tokenizer's own choice first.
    fn candidates(&self, symbol: &str) -> Vec<u32> {
        match &self.tokens {
            Tokens::Bytes => match symbol.as_bytes() {
                &[byte] => vec![u32::from(byte)],
                _ => Vec::new(),
            },
            Tokens::Tokenizer(tokenizer) => {
                let alone = tokenizer.encode_fast(symbol, false).ok();
                let alone = alone
                    .as_ref()
                    .and_then(|encoding| match encoding.get_ids() {
                        &[id] => Some(id),
                        _ => None,
                    });
                let byte_level: String = symbol.bytes().map(byte_level).collect();
                let fallback = match symbol.as_bytes() {
                    &[byte] => format!("<0x{byte:02X}>"),
                    _ => String::new(),
                };
                let spellings = [
                    symbol,
                    byte_level.as_str(),
                    if symbol == " " { "\u{2581}" } else { "" },
                    &fallback,
                ];
                let spelled = spellings
                    .iter()
                    .filter_map(|spelling| tokenizer.token_to_id(spelling));
                alone.into_iter().chain(spelled).collect()
            }
        }
    }

    /// The text of a token inside a line; empty for special tokens.
    pub(crate) fn text(&self, id: u32) -> String {
        match &self.tokens {
            Tokens::Bytes => match u8::try_from(id) {
                Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                _ => FOREIGN.to_string(),
            },
            Tokens::Tokenizer(tokenizer) => {
                // A token without a known text, e.g. in a padded vocabulary, decodes to nothing. It is foreign, too.
                if tokenizer.id_to_token(id).is_none() {
                    return FOREIGN.to_string();
                }
                let decode = |ids: &[u32]| {
                    tokenizer
                        .decode(ids, true)
                        .unwrap_or_else(|_| FOREIGN.to_string())
                };
                let once = decode(&[id]);
                if tokenizer.get_decoder().is_none() {
                    // A tokenizer without a decoder puts a blank between tokens.
                    return once;
                }
                // Decoders like SentencePiece's remove a blank at the front of a text. So the token is decoded twice in
                // a row: what the second one adds is its text elsewhere.
                decode(&[id, id])
                    .strip_prefix(once.as_str())
                    .map_or_else(|| once.clone(), str::to_owned)
            }
        }
    }
}

/// The special tokens that transformers puts before a text. Some of its tokenizer classes have their own rule, which
/// `tokenizer_config.json` can change. Otherwise `tokenizer.json` decides.
fn leading(
    folder: &Path,
    config: &Config,
    tokenizer: &Tokenizer,
) -> std::result::Result<Vec<u32>, String> {
    let path = folder.join("tokenizer_config.json");
    let words: Option<Value> = read_json(&path).map_err(|error| error.to_string())?;
    let words = words.unwrap_or_default();
    let class = words.get("tokenizer_class").and_then(Value::as_str);
    let class = class.or(config.tokenizer_class.as_deref());
    let class = class.map(|class| class.strip_suffix("Fast").unwrap_or(class));
    let Some(&(_, adds, begin)) = REPLACING.iter().find(|(name, ..)| Some(*name) == class) else {
        let path = folder.join("tokenizer.json");
        return by_itself(tokenizer).map_err(|problem| format!("{}: {problem}", path.display()));
    };
    let is_true = |value: &Value| value.as_bool() == Some(true);
    if words.get("add_eos_token").is_some_and(is_true) {
        return Err(format!("{}: add_eos_token: {ENDS}", path.display()));
    }
    if !words.get("add_bos_token").map_or(adds, is_true) {
        return Ok(Vec::new());
    }
    let begin = match words.get("bos_token") {
        None => begin,
        Some(token) => (token.get("content").unwrap_or(token).as_str()).unwrap_or("null"),
    };
    tokenizer
        .token_to_id(begin)
        .map(|id| vec![id])
        .ok_or_else(|| {
            format!(
                "{}: bos_token {begin:?} is not in the vocabulary",
                path.display()
            )
        })
}

/// The special tokens that `tokenizer.json` itself puts before a text.
fn by_itself(tokenizer: &Tokenizer) -> std::result::Result<Vec<u32>, String> {
    let text = Encoding::from_tokens(vec![Token::new(0, "0".into(), (0, 1))], 0);
    let whole = (tokenizer.post_process(text, None, true))
        .map_err(|error| format!("post_processor: {error}"))?;
    let special = whole.get_special_tokens_mask();
    if special.last() == Some(&1) {
        return Err(format!("post_processor: {ENDS}"));
    }
    let before = special.iter().take_while(|&&special| special == 1).count();
    Ok(whole.get_ids()[..before].to_vec())
}

/// How byte-level vocabularies write a byte: printable Latin-1 as it is, the others in order from U+0100 on (GPT-2's
/// `bytes_to_unicode`).
fn byte_level(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&other| !printable(other)).count();
    ('\u{100}'..).nth(before).unwrap_or(FOREIGN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::fs;

    /// A BPE vocabulary with the merge "A T" and the fields of `extra`. Its tokens are A, T, AT, then `tokens`.
    fn vocabulary(tokens: &[&str], extra: &Value) -> Vocabulary {
        let folder = tempfile::tempdir().unwrap();
        let words: serde_json::Map<String, Value> = ["A", "T", "AT"]
            .iter()
            .chain(tokens)
            .enumerate()
            .map(|(id, token)| ((*token).to_owned(), json!(id)))
            .collect();
        let size = words.len();
        let mut tokenizer = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                      "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                      "vocab": words, "merges": [["A", "T"]]}
        });
        for (key, value) in extra.as_object().unwrap() {
            tokenizer[key] = value.clone();
        }
        fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
        Vocabulary::read(folder.path(), &Card::default(), &Config::default(), size).unwrap()
    }

    fn byte_level_decoder() -> Value {
        json!({"decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}})
    }

    /// Llama 2's decoder: blanks are U+2581, and one at the front is removed.
    fn sentence_piece_decoder() -> Value {
        json!({"decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}})
    }

    #[test]
    fn a_symbol_is_one_token_however_the_vocabulary_spells_it() {
        let mut at_word_starts = sentence_piece_decoder();
        at_word_starts["normalizer"] = json!({"type": "Prepend", "prepend": "\u{2581}"});
        for (tokens, extra, symbols, ids, text) in [
            // Letters that would merge stay single.
            (&[][..], json!({}), &["A", "T"][..], &[0, 1][..], (2, "AT")),
            // A line break is listed under its byte-level name.
            (
                &["\u{10a}", "\u{120}", ">"],
                byte_level_decoder(),
                &["\n", " ", ">", "A"],
                &[3, 4, 5, 0],
                (2, "AT"),
            ),
            // Blanks and fallback bytes of SentencePiece.
            (
                &["\u{2581}", "<0x0A>", "\u{2581}A"],
                sentence_piece_decoder(),
                &[" ", "\n", "A"],
                &[3, 4, 0],
                (5, " A"),
            ),
            // A letter at the start of a word is another token than the bare letter.
            (
                &["\u{2581}", "\u{2581}A"],
                at_word_starts,
                &["A"],
                &[0],
                (4, " A"),
            ),
        ] {
            let mut vocabulary = vocabulary(tokens, &extra);
            let found: Vec<u32> = symbols.iter().map(|c| vocabulary.id(c).unwrap()).collect();
            assert_eq!(found, ids, "{symbols:?}");
            assert_eq!(vocabulary.text(text.0), text.1);
        }
    }

    #[test]
    fn a_token_beyond_the_graphs_vocabulary_is_no_symbol() {
        let mut vocabulary = vocabulary(&["C"], &json!({}));
        vocabulary.size = 3;
        assert!(vocabulary.id("C").is_err());
        assert!(vocabulary.id("T").is_ok());
    }

    #[test]
    fn padding_of_the_tokenizer_is_ignored() {
        let padding = json!({"padding": {"strategy": {"Fixed": 4}, "direction": "Left", "pad_to_multiple_of": null,
                                         "pad_id": 0, "pad_type_id": 0, "pad_token": "A"}});
        let mut vocabulary = vocabulary(&[], &padding);
        assert_eq!(vocabulary.id("T").unwrap(), 1);
        assert!(vocabulary.leading.unwrap().is_empty());
    }

    #[test]
    fn special_tokens_have_no_text_and_lead_where_the_tokenizer_says_so() {
        let extra = json!({
            "added_tokens": [{"id": 3, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                              "normalized": false, "special": true}],
            "post_processor": {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [3], "tokens": ["<s>"]}}}
        });
        let vocabulary = vocabulary(&["<s>", "0"], &extra);
        assert_eq!(vocabulary.text(3), "");
        assert_eq!(vocabulary.leading.clone().unwrap(), [3]);
        assert_eq!(vocabulary.text(99), "\u{fffd}");
    }

    #[test]
    fn texts_begin_and_answers_end_as_in_transformers() {
        let table = include_str!("../../../../tests/fixtures/models/special-tokens.json");
        let table: Value = serde_json::from_str(table).unwrap();
        for case in table["cases"].as_array().unwrap() {
            let folder = tempfile::tempdir().unwrap();
            for name in [
                "config.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "generation_config.json",
            ] {
                let parts = [table.get(name), case.get(name)];
                let fields: serde_json::Map<String, Value> = parts
                    .into_iter()
                    .flatten()
                    .flat_map(|part| part.as_object().unwrap().clone())
                    .collect();
                if parts.iter().any(Option::is_some) {
                    fs::write(folder.path().join(name), json!(fields).to_string()).unwrap();
                }
            }
            let read = Config::read(folder.path()).and_then(|config| {
                config.check_tokens(100)?;
                let vocabulary = Vocabulary::read(folder.path(), &Card::default(), &config, 100)?;
                Ok((vocabulary.leading.map_err(Error::model)?, config.eos))
            });
            match case.get("refused") {
                Some(word) => {
                    let text = read.unwrap_err().to_string();
                    assert!(text.contains(word.as_str().unwrap()), "{case}: {text}");
                }
                None => assert_eq!(
                    json!(read.unwrap()),
                    json!([case["first"], case["end"]]),
                    "{case}"
                ),
            }
        }
    }

    #[test]
    fn bytes_are_their_own_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Vocabulary::read(folder.path(), &Card::default(), &Config::default(), 512)
            .err()
            .unwrap();
        assert!(
            refused
                .to_string()
                .contains("card.json does not say \"vocabulary\": \"bytes\""),
            "{refused}"
        );
        let card = Card {
            vocabulary: Some("bytes".into()),
            ..Card::default()
        };
        let mut vocabulary =
            Vocabulary::read(folder.path(), &card, &Config::default(), 512).unwrap();
        assert_eq!(vocabulary.id("A").unwrap(), 65);
        assert!(vocabulary.id("é").is_err());
        assert_eq!(
            [65, 200, 300].map(|id| vocabulary.text(id)),
            ["A", "\u{fffd}", "\u{fffd}"]
        );
        assert!(vocabulary.leading.unwrap().is_empty());
    }

    #[test]
    fn byte_level_names_are_gpt2s() {
        assert_eq!(
            [b'A', b'\n', b' ', 0x7f, 0xad].map(byte_level),
            ['A', 'Ċ', 'Ġ', 'ġ', 'Ń']
        );
    }
}
