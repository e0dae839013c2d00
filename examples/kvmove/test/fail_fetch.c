/* SPDX-License-Identifier: MIT */
/*
 * fail_fetch.c - before UCX's library (LD_PRELOAD): the hundredth block of a message cannot be fetched.
 */
#include <dlfcn.h>
#include <stddef.h>

#include <ucp/api/ucp.h>

ucs_status_ptr_t ucp_am_recv_data_nbx(ucp_worker_h worker, void *description, void *buffer,
				      size_t count, const ucp_request_param_t *param)
{
	static unsigned nr_calls;
	ucs_status_ptr_t (*real)(ucp_worker_h, void *, void *, size_t, const ucp_request_param_t *);

	*(void **)&real = dlsym(RTLD_NEXT, "ucp_am_recv_data_nbx");
	if (++nr_calls == 100)
		return UCS_STATUS_PTR(UCS_ERR_NO_MEMORY);
	return real(worker, description, buffer, count, param);
}
