{
  # The CPU addon. Kernels are compiled once per instruction set and chosen at run time (native/kernels/cpu/cpu_device.h);
  # everything else is built for the baseline processor.
  'variables': {
    'onednn': '<!(node scripts/probe.js onednn)',
    'amx': '<!(node scripts/probe.js amx)',
    'kernel_sources': [
      'native/kernels/cpu/adamw.cpp',
      'native/kernels/cpu/attention.cpp',
      'native/kernels/cpu/attention_backward.cpp',
      'native/kernels/cpu/attention_backward_tangent.cpp',
      'native/kernels/cpu/attention_tangent.cpp',
      'native/kernels/cpu/cross_entropy.cpp',
      'native/kernels/cpu/device.cpp',
      'native/kernels/cpu/gather.cpp',
      'native/kernels/cpu/matmul.cpp',
      'native/kernels/cpu/product.cpp',
      'native/kernels/cpu/rms_norm.cpp',
      'native/kernels/cpu/rotary.cpp',
      'native/kernels/cpu/sample_embedding.cpp',
      'native/kernels/cpu/sample_products.cpp',
      'native/kernels/cpu/sample_rows.cpp',
      'native/kernels/cpu/statistics.cpp',
      'native/kernels/cpu/swiglu.cpp',
      'native/kernels/cpu/unwritten.cpp',
      'native/kernels/cpu/vectors.cpp',
      'native/kernels/cpu/weighted_product.cpp',
    ],
    'kernel_flags': ['-O3', '-fopenmp', '-fno-math-errno', '-fno-trapping-math', '-Wall', '-Wextra'],
  },
  'target_defaults': {
    'cflags_cc': ['-std=c++17', '-fopenmp', '-Wall', '-Wextra'],
    'cflags!': ['-fno-exceptions'],
    'cflags_cc!': ['-fno-exceptions', '-std=gnu++17', '-std=gnu++20'],
  },
  'targets': [
    {
      'target_name': 'kernels_baseline',
      'type': 'static_library',
      'sources': [
        '<@(kernel_sources)',
        'native/kernels/cpu/cpu_features.cpp',
        'native/kernels/cpu/open.cpp',
        'native/kernels/cpu/product_workspace.cpp',
      ],
      'cflags_cc': ['<@(kernel_flags)'],
      'defines': ['GRADFOLD_ISA=baseline'],
      'conditions': [
        ['target_arch!="x64"', { 'defines': ['GRADFOLD_BASELINE_ONLY'] }],
        ['onednn=="yes"', { 'defines': ['GRADFOLD_ONEDNN'], 'sources': ['native/kernels/cpu/onednn.cpp'] }],
        ['amx=="yes"', { 'defines': ['GRADFOLD_AMX'] }],
      ],
    },
    {
      'target_name': 'gradfold_cpu',
      'sources': [
        'native/addon/convert.cc',
        'native/addon/engine.cc',
        'native/addon/job.cc',
        'native/addon/main.cc',
        'native/addon/model.cc',
        'native/addon/order.cc',
        'native/addon/runtime.cc',
        'native/addon/vector.cc',
        'native/engine/arena.cpp',
        'native/engine/batch.cpp',
        'native/engine/decoder.cpp',
        'native/engine/layers/attention.cpp',
        'native/engine/layers/head.cpp',
        'native/engine/layers/linear.cpp',
        'native/engine/layers/rms_norm.cpp',
        'native/engine/measure.cpp',
        'native/engine/optimizer.cpp',
        'native/engine/parameters.cpp',
        'native/order/argsort.cpp',
        'native/order/fold.cpp',
        'native/order/top_k.cpp',
      ],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      # A terminated worker takes no more exceptions: they are dropped instead of ending the process.
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      'cflags_cc': ['-O3'],
      'dependencies': ['kernels_baseline'],
      'libraries': ['-fopenmp'],
      # A worker's end unloads its addons; OpenMP's threads may still be on their way out of this one.
      'ldflags': ['-Wl,-z,nodelete'],
      'conditions': [
        ['target_arch=="x64"', { 'dependencies': ['kernels_avx2', 'kernels_avx512'] }],
        ['onednn=="yes"', { 'libraries': ['-ldnnl'] }],
        ['amx=="yes"', { 'dependencies': ['kernels_amx'] }],
      ],
    },
  ],
  'conditions': [
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'kernels_avx2',
          'type': 'static_library',
          'sources': ['<@(kernel_sources)'],
          'cflags_cc': ['<@(kernel_flags)', '-mavx2', '-mfma'],
          'defines': ['GRADFOLD_ISA=avx2'],
        },
        {
          'target_name': 'kernels_avx512',
          'type': 'static_library',
          'sources': ['<@(kernel_sources)'],
          'cflags_cc': ['<@(kernel_flags)', '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mfma'],
          'defines': ['GRADFOLD_ISA=avx512'],
        },
      ],
    }],
    ['amx=="yes"', {
      'targets': [
        {
          'target_name': 'kernels_amx',
          'type': 'static_library',
          'sources': ['native/kernels/cpu/amx_multiply.cpp', 'native/kernels/cpu/amx_product.cpp'],
          'cflags_cc': [
            '<@(kernel_flags)', '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mfma', '-mavx512bf16',
            '-mamx-tile', '-mamx-bf16',
            '-Wno-maybe-uninitialized',  # GCC 12 warns of its own AVX-512 header (bug 105593)
          ],
          'defines': ['GRADFOLD_ISA=amx'],
          'conditions': [['onednn=="yes"', { 'defines': ['GRADFOLD_ONEDNN'] }]],
        },
      ],
    }],
  ],
}
