/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target without a fuzzer, on each of the files given: replay FILE...
 */
#include "fuzz.h"

/* The whole file in memory of exactly its size. */
static uint8_t *
read_file(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    REQUIRE(file != NULL);
    REQUIRE(fseek(file, 0, SEEK_END) == 0);
    long length = ftell(file);
    REQUIRE(length >= 0);
    rewind(file);
    *size = (size_t)length;
    uint8_t *data = malloc(*size > 0 ? *size : 1);
    REQUIRE(data != NULL);
    REQUIRE(fread(data, 1, *size, file) == *size);
    (void)fclose(file);
    return data;
}

int
main(int count, char **names)
{
    for (int i = 1; i < count; i++) {
        size_t size;
        uint8_t *data = read_file(names[i], &size);
        (void)fprintf(stderr, "%s\n", names[i]);
        (void)LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    (void)printf("%d replayed\n", count - 1);
    return 0;
}
