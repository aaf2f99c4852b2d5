/*!
Shotline: small filters for few-shot in-context-learning experiments on next-token predictors.

The modules stand in the order in which data flows; each depends only on those before it.
*/

pub mod error;

pub mod program;

pub mod chance;

pub mod record;

pub mod encoding;

pub mod trial;

pub mod cli;
