//! What is read: documents, and searches. All of a search is read from one state of the index.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Base, Json, Near, Rows, SqlSearch, bound, hash, put::term, unsigned, version};
use crate::{
    clock::Timestamp,
    ledger::{Error, Result},
    search::{
        Chunk, Document, Hit, Listed, Query,
        bm25::{self, CANDIDATES_MAX, Corpus, Wanted},
        filter::Filter,
        ranked::{Asked, Ranked, best},
    },
    tenant::TenantId,
};

type HitRow = (i64, String, i64, String, String, Option<String>, Option<String>, String);

impl<B: Base> SqlSearch<B> {
    pub(super) async fn list_documents(&self, tenant: &TenantId, name: &str, after: Option<&str>, limit: u32) -> Result<Vec<Listed>> {
        type Row = (String, Vec<u8>, Option<String>, String, i64, i64);
        let mut tx = self.begin_snapshot().await?;
        let Some((index, _)) = self.read_index(&mut tx, tenant, name).await? else { return Ok(Vec::new()) };
        let values = bound![index.current.number, after.unwrap_or_default(), i64::from(limit)];
        let rows: Vec<Row> = tx.fetch(&self.statements().documents, values).await?;
        let listed = |(id, bytes, title, metadata, chunks, written_at_ms): Row| {
            Ok(Listed {
                id,
                version: version(&bytes)?,
                title,
                metadata: serde_json::from_str(&metadata)?,
                chunks: u32::try_from(chunks).unwrap_or(u32::MAX),
                written_at: Timestamp::from_ms(written_at_ms),
            })
        };
        rows.into_iter().map(listed).collect()
    }

    pub(super) async fn read_document(&self, tenant: &TenantId, name: &str, id: &str) -> Result<Option<Document>> {
        type Row = (Vec<u8>, String, String, Option<String>, i64);
        let sql = self.statements();
        if id.contains('\0') {
            return Ok(None);
        }
        let mut tx = self.begin_snapshot().await?;
        let Some((index, _)) = self.read_index(&mut tx, tenant, name).await? else { return Ok(None) };
        let rows: Vec<(i64, Vec<u8>, Option<String>, String)> = tx.fetch(&sql.document, bound![index.current.number, id]).await?;
        let Some((row, bytes, title, metadata)) = rows.into_iter().next() else { return Ok(None) };
        let rows: Vec<Row> = tx.fetch(&sql.document_texts, bound![row]).await?;
        let chunk = |(bytes, text, heading, source, tokens): Row| {
            let (hash, heading) = (hash(bytes)?, serde_json::from_str(&heading)?);
            Ok::<_, Error>(Chunk { hash, text, heading, source, tokens: u32::try_from(tokens).unwrap_or(u32::MAX) })
        };
        let chunks = rows.into_iter().map(chunk).collect::<Result<_>>()?;
        Ok(Some(Document { id: id.to_owned(), version: version(&bytes)?, title, metadata: serde_json::from_str(&metadata)?, chunks }))
    }

    pub(super) async fn find(&self, tenant: &TenantId, name: &str, query: &Query) -> Result<Option<Vec<Hit>>> {
        let _turn = self.turn(query).await?;
        let mut tx = self.begin_snapshot().await?;
        let Some((index, corpus)) = self.read_index(&mut tx, tenant, name).await? else { return Ok(None) };
        let generation = index.current.number;
        let asked = Asked::of(query, &index.current.settings)?;
        let among = match asked.filter {
            Some(filter) => Some(self.matching(&mut tx, generation, filter).await?),
            None => None,
        };
        let mut rankings = Vec::new();
        if let Some(vector) = &asked.vector {
            let near = Near { generation, chunks: corpus.chunks, vector: vector.clone(), depth: asked.depth, among: among.clone() };
            let rows = self.nearest(&mut tx, near).await?;
            let ranked = |(chunk, document_id, n, distance)| Ranked { chunk, document_id, n, score: 1.0 - distance };
            rankings.push(rows.into_iter().map(ranked).collect());
        }
        if let Some(words) = &asked.words {
            rankings.push(self.by_words(&mut tx, generation, corpus, words, among.as_deref()).await?);
        }
        if rankings.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let best = best(rankings, &asked);
        self.hits(&mut tx, best).await.map(Some)
    }

    /// The documents that a filter wants: it is asked here, so that it means the same in every store.
    async fn matching(&self, tx: &mut B::Tx, generation: i64, filter: &Filter) -> Result<Vec<i64>> {
        let rows: Vec<(i64, String)> = tx.fetch(&self.statements().metadata, bound![generation]).await?;
        let mut matching = Vec::new();
        for (id, metadata) in rows {
            if filter.matches(&serde_json::from_str::<Map<String, Value>>(&metadata)?) {
                matching.push(id);
            }
        }
        Ok(matching)
    }

    async fn by_words(
        &self,
        tx: &mut B::Tx,
        generation: i64,
        corpus: Corpus,
        words: &[String],
        among: Option<&[i64]>,
    ) -> Result<Vec<Ranked>> {
        let sql = self.statements();
        let mut wanted = Vec::new();
        for word in words {
            let rows: Vec<(i64,)> = tx.fetch(&sql.having, bound![term(generation, word).as_str()]).await?;
            let chunks = rows.first().map_or(0, |(count,)| unsigned(*count));
            wanted.push(Wanted { word: word.clone(), chunks });
        }
        let terms: Vec<String> = bm25::finders(&wanted).into_iter().map(|word| term(generation, word)).collect();
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = bound![Json::of(&terms), CANDIDATES_MAX as i64];
        let statement = match among {
            None => &sql.candidates,
            Some(documents) => {
                values.push(Json::of(&documents).into());
                &sql.candidates_among
            }
        };
        let rows: Vec<(i64, String, i64, String)> = tx.fetch(statement, values).await?;
        let ranked = |(chunk, document_id, n, words): (i64, String, i64, String)| {
            let score = bm25::score(corpus, &wanted, &words);
            Ranked { chunk, document_id, n, score }
        };
        Ok(rows.into_iter().map(ranked).collect())
    }

    async fn hits(&self, tx: &mut B::Tx, best: Vec<(i64, f64)>) -> Result<Vec<Hit>> {
        let ids: Vec<i64> = best.iter().map(|(chunk, _)| *chunk).collect();
        let rows: Vec<HitRow> = tx.fetch(&self.statements().hits, bound![Json::of(&ids)]).await?;
        let mut shown: BTreeMap<i64, HitRow> = rows.into_iter().map(|row| (row.0, row)).collect();
        let hit = |(chunk, score)| {
            let row = shown.remove(&chunk).ok_or_else(|| Error::Corrupt("a chunk that was found has no text".into()))?;
            let (_, document_id, n, text, heading, source, title, metadata) = row;
            let (heading, metadata) = (serde_json::from_str(&heading)?, serde_json::from_str(&metadata)?);
            Ok(Hit { document_id, chunk: u32::try_from(n).unwrap_or(u32::MAX), score, text, source, heading, title, metadata })
        };
        best.into_iter().map(hit).collect()
    }
}
