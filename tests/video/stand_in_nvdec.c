/* A stand-in for NVIDIA's driver: FFmpeg loads it as libcuda.so.1 and libnvcuvid.so.1. Memory of the device is that of the host, and
   whatever is decoded shows one pattern, which test_hwaccel.py knows. With NOT_SUPPORTED set it decodes nothing.
   What is declared here is the public interface, as far as it is used; `rest.h` answers all other functions with success. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long Address;

typedef struct {
    size_t from_x, from_y;
    int from_kind;
    const void *from_host;
    Address from_device;
    void *from_array;
    size_t from_pitch, to_x, to_y;
    int to_kind;
    void *to_host;
    Address to_device;
    void *to_array;
    size_t to_pitch, width, height;
} Copy;

typedef struct {
    int codec, chroma;
    unsigned depth, unused[3];
    unsigned char is_supported, num_engines;
    unsigned short output_formats;
    unsigned max_width, max_height, max_blocks;
    unsigned short min_width, min_height;
} Abilities;

typedef struct {
    unsigned long width, height, num_surfaces;
    int codec, chroma;
    unsigned long flags, depth, intra_only, max_width, max_height, unused;
    short area[4];
    int output_format, deinterlacing;
    unsigned long target_width, target_height;
} Creation;

typedef struct {
    int width_in_blocks, height_in_blocks, surface;
} Picture;

typedef struct {
    Creation facts;
    size_t pitch;
    uint8_t **surfaces;
} Decoder;

enum { HOST = 1, P016 = 1 };

static int new_memory(Address *address, size_t size) {
    *address = (Address)(uintptr_t)calloc(1, size);
    return 0;
}

int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuDeviceGet(int *device, int index) { return *device = index, 0; }
int cuDeviceGetAttribute(int *value, int name, int device) { return *value = 512, 0; }
int cuCtxCreate_v2(void **context, unsigned flags, int device) { return *context = malloc(1), 0; }
int cuCtxPopCurrent_v2(void **context) { return 0; }
int cuMemAlloc_v2(Address *address, size_t size) { return new_memory(address, size); }
int cuMemAllocPitch_v2(Address *address, size_t *pitch, size_t width, size_t height, unsigned size) {
    *pitch = (width + 511) / 512 * 512;
    return new_memory(address, *pitch * height);
}
int cuMemFree_v2(Address address) { return free((void *)(uintptr_t)address), 0; }

int cuMemcpy2D_v2(const Copy *copy) {
    const char *from = copy->from_kind == HOST ? copy->from_host : (const void *)(uintptr_t)copy->from_device;
    char *to = copy->to_kind == HOST ? copy->to_host : (void *)(uintptr_t)copy->to_device;
    from += copy->from_y * copy->from_pitch + copy->from_x;
    to += copy->to_y * copy->to_pitch + copy->to_x;
    for (size_t y = 0; y < copy->height; y++) memcpy(to + y * copy->to_pitch, from + y * copy->from_pitch, copy->width);
    return 0;
}
int cuMemcpy2DAsync_v2(const Copy *copy, void *stream) { return cuMemcpy2D_v2(copy); }

int cuvidGetDecoderCaps(Abilities *abilities) {
    abilities->is_supported = getenv("NOT_SUPPORTED") == NULL;
    abilities->output_formats = 0xff;
    abilities->max_width = abilities->max_height = 8192;
    abilities->max_blocks = 1 << 20;
    return 0;
}

int cuvidCreateDecoder(Decoder **decoder, const Creation *facts) {
    *decoder = calloc(1, sizeof(Decoder));
    (*decoder)->facts = *facts;
    (*decoder)->pitch = (2 * facts->target_width + 511) / 512 * 512;
    (*decoder)->surfaces = calloc(facts->num_surfaces, sizeof(uint8_t *));
    for (unsigned long i = 0; i < facts->num_surfaces; i++)
        (*decoder)->surfaces[i] = calloc(2 * facts->target_height, (*decoder)->pitch);
    return 0;
}

int cuvidDecodePicture(Decoder *decoder, const Picture *picture) {
    uint8_t *surface = decoder->surfaces[picture->surface];
    int width = decoder->facts.target_width, height = decoder->facts.target_height;
    for (int y = 0; y < height + height / 2; y++)
        for (int x = 0; x < width; x++) {
            int line = y - height, pair = x / 2;
            int value = y < height ? 16 + (7 * x + 3 * y) % 220 : 40 + (x % 2 ? 3 * pair + line : pair + 2 * line) % 180;
            uint8_t *row = surface + y * decoder->pitch;
            if (decoder->facts.output_format == P016)
                ((uint16_t *)row)[x] = value << 8;
            else
                row[x] = value;
        }
    return 0;
}

int cuvidMapVideoFrame64(Decoder *decoder, int surface, Address *address, unsigned *pitch, void *settings) {
    *address = (Address)(uintptr_t)decoder->surfaces[surface];
    *pitch = decoder->pitch;
    return 0;
}

#include "rest.h"
