/* stable-diffusion.cpp's SD3 denoiser as a peer of bench_forward, by the protocol of bench/peer_forward.py:
 *   peer FOLDER THREADS TYPE [fa] [blas]
 * FOLDER: diffusion_pytorch_model.safetensors, diffusers' names. TYPE: what --type of its command line takes: f32, f16,
 * bf16, q8_0, ... fa: its --diffusion-fa. blas: its --backend diffusion=BLAS. Says one line that names it, then answers
 * every line "pass SIDE" with "WALL PROCESSOR PEAK": seconds from inputs in memory to the output, and the most memory
 * so far, MB. inputs-SIDE.safetensors of FOLDER is read, output-SIDE.safetensors written.
 *
 * What is timed is MMDiTRunner::compute() as its src/stable-diffusion.cpp calls it. Loading is its ModelLoader's with
 * three things added, as it cannot open diffusers' SD3 by itself: its caller states that this is SD3; q, k and v, which it
 * renames to qkv.weight, qkv.weight.1 and .2, become the thirds of one matrix; and the halves of norm_out and of the
 * last norm1_context, which diffusers has in the other order (scale, shift), are swapped. In C++, since what it calls
 * are headers of C++; written against commit 97d2990 (August 2026). */
#include <sys/resource.h>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>

#include "ggml-blas.h"
#include "json.hpp"

#include "model/diffusion/dit.hpp" /* mmdit.hpp needs it and relies on its includer */
#include "model/diffusion/mmdit.hpp"
#include "model_loader.h"

static void stop(const std::string &why) {
    fprintf(stderr, "peer: %s\n", why.c_str());
    exit(1);
}

/* All float32 tensors of a safetensors file, dimensions in ggml's order (fastest first). */
static std::map<std::string, sd::Tensor<float>> read_file(const std::string &path) {
    std::ifstream f(path, std::ios::binary);
    uint64_t size = 0;
    if (!f.read((char *)&size, 8)) stop("cannot read " + path);
    std::string head(size, ' ');
    f.read(&head[0], (std::streamsize)size);
    std::map<std::string, sd::Tensor<float>> all;
    const nlohmann::json list = nlohmann::json::parse(head);
    for (auto &[name, about] : list.items()) {
        if (name == "__metadata__") continue;
        if (about["dtype"] != "F32") stop(name + " is not float32");
        std::vector<int64_t> shape = about["shape"];
        std::reverse(shape.begin(), shape.end());
        sd::Tensor<float> x(shape);
        uint64_t at = about["data_offsets"][0];
        f.seekg((std::streamoff)(8 + size + at));
        if (!f.read((char *)x.data(), (std::streamsize)(x.numel() * sizeof(float)))) stop("cannot read " + path);
        all[name] = std::move(x);
    }
    return all;
}

static void write_file(const std::string &path, const sd::Tensor<float> &x) {
    std::vector<int64_t> shape(x.shape().rbegin(), x.shape().rend());
    nlohmann::json head = {{"output", {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {0, x.numel() * 4}}}}};
    std::string text = head.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    uint64_t size = text.size();
    std::ofstream f(path, std::ios::binary);
    f.write((char *)&size, 8).write(text.data(), (std::streamsize)size);
    f.write((const char *)x.data(), (std::streamsize)(x.numel() * sizeof(float)));
    if (!f) stop("cannot write " + path);
}

static void swap_halves(ggml_tensor *t) {
    std::vector<char> bytes(ggml_nbytes(t));
    ggml_backend_tensor_get(t, bytes.data(), 0, bytes.size());
    std::rotate(bytes.begin(), bytes.begin() + (std::ptrdiff_t)(bytes.size() / 2), bytes.end());
    ggml_backend_tensor_set(t, bytes.data(), 0, bytes.size());
}

/* Weights that are in memory before the first pass. */
struct loaded_weights : RunnerWeightManager {
    bool assign_compute_backend(const std::vector<ggml_tensor *> &, ggml_backend_t) override { return true; }
    bool prepare_params(const std::vector<ggml_tensor *> &) override { return true; }
    void release_compute_backend_params(const std::vector<ggml_tensor *> &) override {}
    void release_params_backend_params(const std::vector<ggml_tensor *> &) override {}
};

struct denoiser : MMDiTRunner {
    using MMDiTRunner::MMDiTRunner;

    void load(ModelLoader &loader) {
        std::map<std::string, ggml_tensor *> at;
        get_param_tensors(at, prefix);
        ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(params_ctx, runtime_backend);
        if (!buffer) stop("no memory for the weights");
        ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        ggml_context *views = ggml_init({1024 * ggml_tensor_overhead(), nullptr, true});
        std::map<std::string, ggml_tensor *> whole = at;
        for (auto &[name, t] : whole)
            if (contains(name, ".qkv."))
                for (int part = 0; part < 3; part++) {
                    const int64_t rows = (t->ne[1] > 1 ? t->ne[1] : t->ne[0]) / 3;
                    ggml_tensor *v = t->ne[1] > 1
                                         ? ggml_view_2d(views, t, t->ne[0], rows, t->nb[1], part * rows * t->nb[1])
                                         : ggml_view_1d(views, t, rows, part * rows * t->nb[0]);
                    v->buffer = t->buffer;
                    at[name + (part ? "." + std::to_string(part) : "")] = v;
                }
        size_t loaded = 0;
        auto place = [&](const TensorStorage &s, ggml_tensor **to) {
            auto found = at.find(s.name);
            if (found == at.end()) stop("an unknown tensor: " + s.name);
            for (int i = 0; i < GGML_MAX_DIMS; i++)
                if (found->second->ne[i] != s.ne[i]) stop("another shape: " + s.name);
            *to = found->second;
            loaded++;
            return true;
        };
        if (!loader.load_tensors(place, false, nullptr, false) || loaded != at.size()) stop("weights are missing");
        ggml_free(views);
        const std::string last = prefix + ".joint_blocks." + std::to_string(config.depth - 1) + ".context_block";
        for (const std::string &part : {prefix + ".final_layer", last})
            for (const char *what : {".weight", ".bias"}) swap_halves(whole.at(part + ".adaLN_modulation.1" + what));
    }
};

static void log(sd_log_level_t level, const char *text, void *) {
    static int left = 20; /* of complaints: it can make one for each tensor */
    if (getenv("PEER_VERBOSE") || (level >= SD_LOG_WARN && left-- > 0)) fputs(text, stderr);
}

static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static double processor() {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc < 4) stop("usage: peer FOLDER THREADS TYPE [fa] [blas]");
    const std::string folder = argv[1], type = argv[3], prefix = "model.diffusion_model";
    const int threads = atoi(argv[2]);
    bool fa = false, blas = false;
    for (int i = 4; i < argc; i++) {
        fa = fa || std::string(argv[i]) == "fa";
        blas = blas || std::string(argv[i]) == "blas";
    }
    sd_set_log_callback(log, nullptr);

    ggml_backend_t backend = sd_backend_cpu_init();
    if (blas) {
        backend = ggml_backend_blas_init();
        ggml_backend_blas_set_n_threads(backend, threads); /* stable-diffusion.cpp leaves it at 4 */
    }
    ModelLoader loader;
    loader.set_n_threads(threads);
    if (!loader.init_from_file_and_convert_name(folder + "/diffusion_pytorch_model.safetensors", prefix + ".",
                                                VERSION_SD3))
        stop("no weights");
    int k = 0;
    while (k < GGML_TYPE_COUNT && (!ggml_type_name((ggml_type)k) || type != ggml_type_name((ggml_type)k))) k++;
    if (k == GGML_TYPE_COUNT) stop("unknown type " + type);
    loader.set_wtype_override((ggml_type)k);
    auto weights = std::make_shared<loaded_weights>();
    denoiser runner(backend, loader.get_tensor_storage_map(), prefix, weights);
    if (fa) runner.set_flash_attention_enabled(true);
    runner.load(loader);

    printf("stable-diffusion.cpp, ggml %s (%s), weights %s%s%s, %d threads\n", ggml_version(), ggml_commit(),
           type.c_str(), fa ? ", flash attention" : "", blas ? ", OpenBLAS" : "", threads);
    fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
        int side = 0;
        if (sscanf(line.c_str(), "pass %d", &side) != 1) stop("not understood: " + line);
        auto in = read_file(folder + "/inputs-" + std::to_string(side) + ".safetensors");
        for (const char *name : {"hidden_states", "timestep", "encoder_hidden_states", "pooled_projections"})
            if (in.find(name) == in.end()) stop(std::string("no input ") + name);
        double wall = -now(), busy = -processor();
        sd::Tensor<float> out = runner.compute(threads, in["hidden_states"], in["timestep"],
                                               in["encoder_hidden_states"], in["pooled_projections"]);
        wall += now(), busy += processor();
        if (out.empty()) stop("compute failed");
        for (int64_t i = 0; i < out.numel(); i++)
            if (!std::isfinite(out.data()[i])) stop("an output is not finite");
        write_file(folder + "/output-" + std::to_string(side) + ".safetensors", out);
        struct rusage r;
        getrusage(RUSAGE_SELF, &r);
        printf("%.4f %.4f %.1f\n", wall, busy, 1024e-6 * (double)r.ru_maxrss);
        fflush(stdout);
    }
    return 0;
}
