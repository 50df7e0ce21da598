#pragma once

#include <cstddef>
#include <cstdint>

// What the page's JavaScript gives to the engine (js/src/wasm.ts). Offsets and sizes of files cross
// as doubles, which JavaScript's numbers are. None of these may throw, nor call the engine.
#define SL_PAGE(name) __attribute__((import_module("syncline"), import_name(#name)))

extern "C" {

SL_PAGE(now_ms) double page_now_ms();
SL_PAGE(random) void page_random(void* out, std::size_t size);

// Files by number; see js/src/storage.ts. Negative means failed.
SL_PAGE(file_open) int page_file_open(const char* name, std::size_t size, int create);
SL_PAGE(file_close) void page_file_close(int file);
// How many bytes came.
SL_PAGE(file_read) int page_file_read(int file, void* out, std::size_t size, double offset);
SL_PAGE(file_write)
int page_file_write(int file, const void* data, std::size_t size, double offset);
SL_PAGE(file_truncate) int page_file_truncate(int file, double size);
SL_PAGE(file_sync) int page_file_sync(int file);
SL_PAGE(file_size) double page_file_size(int file);
SL_PAGE(file_delete) int page_file_delete(const char* name, std::size_t size);
SL_PAGE(file_exists) int page_file_exists(const char* name, std::size_t size);

// What a session asks of whoever owns the socket and the timer; client/replica_host.h says what.
SL_PAGE(link_dial) void page_link_dial(int database);
SL_PAGE(link_send) void page_link_send(int database, const void* frame, std::size_t size);
SL_PAGE(link_hang_up) void page_link_hang_up(int database, const char* reason, std::size_t size);
SL_PAGE(link_wake_at) void page_link_wake_at(int database, double at);
SL_PAGE(link_salvaged)
void page_link_salvaged(int database, const char* reason, std::size_t reason_size, const void* file,
                        std::size_t size);
SL_PAGE(link_presence)
void page_link_presence(int database, const char* replica, const char* key, std::size_t key_size,
                        const void* value, std::size_t size);

}  // extern "C"

#undef SL_PAGE
