/* The demo's actor in C: counts lines and words and takes the SHA-256 of the file that a job's script names.
 *
 *   heroq-demo-actor [TYPE]        the server is in HEROQ_URL; SIGTERM and SIGINT end it
 *
 * A script is the line "compute lines words sha256" and then "file " with the path, which may hold any byte but NUL. */
#include <errno.h>
#include <heroq/heroq.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- SHA-256 (FIPS 180-4) ---- */
typedef struct sha256 {
  uint32_t state[8];
  uint64_t size;
  uint8_t block[64];
} sha256;

static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }

static void sha256_block(sha256 *s) {
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++) {
    const uint8_t *p = s->block + 4 * i;
    w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  }
  for (int i = 16; i < 64; i++) {
    uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  memcpy(v, s->state, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t e = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
    uint32_t a = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
    uint32_t one = v[7] + e + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha256_k[i] + w[i];
    uint32_t two = a + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof *v);
    v[4] += one;
    v[0] = one + two;
  }
  for (int i = 0; i < 8; i++) s->state[i] += v[i];
}

static void sha256_begin(sha256 *s) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(s->state, start, sizeof start);
  s->size = 0;
}

static void sha256_add(sha256 *s, const uint8_t *data, size_t n) {
  while (n > 0) {
    size_t at = s->size % 64, part = 64 - at < n ? 64 - at : n;
    memcpy(s->block + at, data, part);
    s->size += part;
    data += part;
    n -= part;
    if (s->size % 64 == 0) sha256_block(s);
  }
}

static void sha256_end(sha256 *s, char hex[65]) {
  static const uint8_t pad[64] = {0x80};
  uint64_t bits = s->size * 8;
  uint8_t length[8];
  for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
  sha256_add(s, pad, 1 + (119 - s->size % 64) % 64);
  sha256_add(s, length, sizeof length);
  for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08" PRIx32, s->state[i]);
}

/* ---- the work ---- */
static const char marker[] = "compute lines words sha256\nfile ";

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Fails the job and answers HEROQ_OK, because it is settled then. */
static heroq_status fail(heroq_job *job, const char *path, const char *why, heroq_error *err) {
  char text[512];
  int n = snprintf(text, sizeof text, "%s: %.400s", why, path);
  return heroq_job_fail(job, text, (size_t)n, 0, NULL, err);
}

static heroq_status compute(heroq_job *job, void *user_data, heroq_error *err) {
  char path[4096], hex[65], out[256];
  uint8_t data[65536];
  uint64_t lines = 0, words = 0;
  bool in_word = false;
  size_t size, got, head = sizeof marker - 1;
  const char *script = heroq_job_script(job, &size);
  sha256 sum;
  FILE *file;
  (void)user_data;
  if (size < head || memcmp(script, marker, head) != 0 || size - head >= sizeof path || memchr(script, 0, size))
    return fail(job, heroq_job_id(job), "not a script of the demo", err);
  memcpy(path, script + head, size - head);
  path[size - head] = 0;
  file = fopen(path, "rb");
  if (!file) return fail(job, path, strerror(errno), err);
  sha256_begin(&sum);
  while ((got = fread(data, 1, sizeof data, file)) > 0) {
    sha256_add(&sum, data, got);
    for (size_t i = 0; i < got; i++) {
      bool space = is_space(data[i]);
      lines += data[i] == '\n';
      words += !space && !in_word;
      in_word = !space;
    }
  }
  if (ferror(file)) {
    int reason = errno;
    fclose(file);
    return fail(job, path, strerror(reason), err);
  }
  fclose(file);
  sha256_end(&sum, hex);
  int n = snprintf(out, sizeof out,
                   "{\"lines\": %" PRIu64 ", \"words\": %" PRIu64 ", \"sha256\": \"%s\", \"actor\": \"C\"}", lines,
                   words, hex);
  return heroq_job_finish(job, out, (size_t)n, 0, NULL, err);
}

static heroq_call *ending;
static void on_signal(int signo) {
  (void)signo;
  heroq_call_cancel(ending);
}

int main(int argc, char **argv) {
  const char *type = argc > 1 ? argv[1] : "demo";
  heroq_client *client = NULL;
  heroq_actor *actor = NULL;
  heroq_error err;
  heroq_status status;
  struct sigaction action = {.sa_handler = on_signal};
  if (heroq_call_new(&ending, &err)) return fprintf(stderr, "heroq-demo-actor: %s\n", err.text), 1;
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  if (heroq_client_open(NULL, NULL, &client, ending, &err) ||
      heroq_actor_open(client, "demo_c", type, NULL, &actor, ending, &err))
    return fprintf(stderr, "heroq-demo-actor: %s\n", err.text), 1;
  status = heroq_actor_run(actor, compute, NULL, ending, &err);
  if (status != HEROQ_OK && status != HEROQ_E_CANCELLED) fprintf(stderr, "heroq-demo-actor: %s\n", err.text);
  heroq_actor_close(actor, 1000, NULL, NULL, NULL);
  heroq_actor_free(actor);
  heroq_client_close(client);
  heroq_client_free(client);
  return status != HEROQ_OK && status != HEROQ_E_CANCELLED;
}
