# SPDX-License-Identifier: MIT
# The mail host: built in one stage, run from another without a compiler.
FROM debian:bookworm-slim AS build

RUN apt-get update \
 && apt-get install -y --no-install-recommends \
	gcc libc6-dev libcrypt-dev libidn2-dev libinih-dev libpcre2-dev \
	libseccomp-dev libssl-dev libunbound-dev libunistring-dev libuv1-dev \
	make pkg-config zlib1g-dev
WORKDIR /src
COPY Makefile ./
COPY lib lib
COPY mta mta
COPY router router
COPY mda mda
COPY ctl ctl
RUN make -s -j"$(nproc)" && strip build/release/bin/* \
 && make -s install DESTDIR=/installed

FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends \
	ca-certificates dns-root-data libidn2-0 libinih1 libpcre2-8-0 \
	libseccomp2 libssl3 libunbound8 libunistring2 libuv1 zlib1g \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /usr/share/doc/*

# vmail owns the mail. The others are the roles of a container that is
# started as root; the image's default needs none of them.
RUN groupadd -g 5000 vmail \
 && useradd -u 5000 -g vmail -M -d /var/mail -s /usr/sbin/nologin vmail \
 && for role in router mta-in mta-queue mta-out mta-dns mda-front mda-auth; \
	do useradd -r -M -d /nonexistent -s /usr/sbin/nologin "$role"; done \
 && rm -rf /var/mail \
 && install -d -o vmail -g vmail /var/mail /var/mail-state \
	/var/mail-state/tls /run/estafeta \
 && install -d /etc/estafeta

COPY --from=build /installed/usr/local/bin/ /usr/local/bin/
RUN ln -s ../local/bin/sendmail /usr/sbin/sendmail

USER 5000:5000
EXPOSE 25 110 143 465 587 993 995
HEALTHCHECK --interval=2s --timeout=2s --start-period=10s --retries=3 \
	CMD ["mailctl", "healthcheck"]
CMD ["mailctl", "run"]
