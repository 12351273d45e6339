-- Indexes of a tenant behind this name, by their names.
SELECT i.id, i.name, i.current, g.settings, g.documents, g.chunks, g.words, i.next, n.settings, n.documents, i.created_at_ms
FROM indexes AS i
JOIN generations AS g ON g.number = i.current
LEFT JOIN generations AS n ON n.number = i.next
WHERE i.tenant = ?1
  AND i.name > ?2
ORDER BY i.name
LIMIT ?3
