#include "cloudburst.h"
