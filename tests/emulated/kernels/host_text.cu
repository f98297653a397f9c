// Host code that instantiates templates which the runtime uses too, and a kernel at fault.
#include <map>
#include <sstream>
#include <string>
#include <vector>

extern "C" __attribute__((visibility("default"))) int some_text() {
    std::ostringstream stream;
    std::map<std::string, std::vector<int>> kept;
    for (int i = 0; i < 8; ++i) kept["number " + std::to_string(i)].push_back(i);
    for (const auto& [name, numbers] : kept) stream << name << numbers.size();
    std::string text = stream.str();
    text.append(100, 'x').insert(3, "another, which is longer than a short string").replace(0, 2, 20, 'y');
    return (int)text.size();
}

__global__ void write_input(const float* in, float* out) { const_cast<float*>(in)[threadIdx.x] = out[threadIdx.x]; }

KS_EMU_EXPORT(write_input)
