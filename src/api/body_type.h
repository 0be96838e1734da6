/* The media type of a request's body, compared with what its route accepts. */
#ifndef JOBLIGHT_API_BODY_TYPE_H
#define JOBLIGHT_API_BODY_TYPE_H

#include "net/request.h"

/* Whether the route takes no body, or one of this type. */
bool body_type_is_allowed(const struct request *r);
/* Whether the body is a form and the route accepts one; otherwise it is JSON. */
bool body_type_is_form(const struct request *r);

#endif
