#pragma once
#include "ks_emulation.h"
