/* A notebook for the command line that syncs by a file of changes.
 *
 *   notes FILE.db add TEXT          writes a note
 *   notes FILE.db list              shows them all
 *   notes FILE.db send CHANGES      writes what others may lack to a file
 *   notes FILE.db receive CHANGES   merges such a file
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "syncline.h"

static int fail(syncline_db* db, const char* what) {
  fprintf(stderr, "notes: %s: %s\n", what, syncline_error_text(db));
  return 1;
}

static int add(syncline_db* db, const char* body) {
  const syncline_value value = {SYNCLINE_TEXT, 0, 0, body, strlen(body)};
  /* Ids are random, so that no two devices take the same one. */
  return syncline_exec(db, "INSERT INTO notes VALUES(lower(hex(randomblob(16))), ?1)", &value, 1)
             ? fail(db, "cannot write the note")
             : 0;
}

static int list(syncline_db* db) {
  syncline_rows* rows = NULL;
  syncline_code code;
  if (syncline_prepare(db, "SELECT body FROM notes ORDER BY body", &rows)) {
    return fail(db, "cannot read the notes");
  }
  while ((code = syncline_step(rows)) == SYNCLINE_ROW) {
    printf("%s\n", (const char*)syncline_column(rows, 0).data);
  }
  syncline_finish(rows);
  return code == SYNCLINE_OK ? 0 : fail(db, "cannot read the notes");
}

static int send_changes(syncline_db* db, const char* path) {
  void* changes = NULL;
  size_t size = 0;
  FILE* file;
  int failed;
  if (syncline_changes(db, 0, &changes, &size)) {
    return fail(db, "cannot gather the changes");
  }
  file = fopen(path, "wb");
  failed = file == NULL || fwrite(changes, 1, size, file) != size;
  failed = (file != NULL && fclose(file) != 0) || failed;
  syncline_free(changes);
  if (failed) {
    fprintf(stderr, "notes: cannot write %s\n", path);
  }
  return failed;
}

static int receive_changes(syncline_db* db, const char* path) {
  syncline_report report = {0};
  unsigned char* changes = NULL;
  size_t size = 0, room = 0, got;
  syncline_code code;
  FILE* file = fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "notes: cannot read %s\n", path);
    return 1;
  }
  do {
    if (room - size < 4096) {
      unsigned char* more = realloc(changes, room = 2 * room + 8192);
      if (more == NULL) {
        free(changes);
        fclose(file);
        return 1;
      }
      changes = more;
    }
    got = fread(changes + size, 1, room - size, file);
    size += got;
  } while (got > 0);
  fclose(file);
  code = syncline_apply(db, changes, size, &report);
  free(changes);
  if (code) {
    return fail(db, "cannot merge the changes");
  }
  printf("%llu new changes\n", (unsigned long long)report.changes);
  return 0;
}

int main(int argc, char** argv) {
  syncline_db* db = NULL;
  int result = 2;
  if (argc < 3) {
    fprintf(stderr, "usage: notes FILE.db add TEXT | list | send FILE | receive FILE\n");
    return 2;
  }
  if (syncline_open(argv[1], NULL, &db) ||
      syncline_exec(
          db, "CREATE TABLE IF NOT EXISTS notes(id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL)",
          NULL, 0) ||
      syncline_track(db, "notes", NULL, 0)) {
    result = fail(db, "cannot open the notebook");
  } else if (strcmp(argv[2], "list") == 0) {
    result = list(db);
  } else if (argc == 4 && strcmp(argv[2], "add") == 0) {
    result = add(db, argv[3]);
  } else if (argc == 4 && strcmp(argv[2], "send") == 0) {
    result = send_changes(db, argv[3]);
  } else if (argc == 4 && strcmp(argv[2], "receive") == 0) {
    result = receive_changes(db, argv[3]);
  } else {
    fprintf(stderr, "notes: what is '%s'?\n", argv[2]);
  }
  syncline_close(db);
  return result;
}
