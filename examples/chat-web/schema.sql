-- What the demonstration syncs: read by the page and by the script on the server's machine. Can be run
-- again and again.
CREATE TABLE IF NOT EXISTS messages(
  id TEXT PRIMARY KEY NOT NULL,
  companion TEXT NOT NULL,
  author TEXT NOT NULL,
  body TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS notes(
  id TEXT PRIMARY KEY NOT NULL,
  title TEXT NOT NULL DEFAULT '',
  body TEXT NOT NULL DEFAULT '',
  stars INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS pages(
  id TEXT PRIMARY KEY NOT NULL,
  body TEXT NOT NULL DEFAULT ''
);
SELECT syncline_track('messages');
SELECT syncline_track('notes', 'manual', 'stars=counter');
SELECT syncline_track('pages', 'body=text');
