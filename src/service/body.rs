use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;

// Two names for one enum, since they say different things in a signature.
macro_rules! body {
    ($(#[$docs:meta])+ $name:ident) => {
        pin_project! {
            $(#[$docs])+
            #[derive(Clone)]
            pub struct $name<B> {
                #[pin]
                inner: Inner<B>,
            }
        }

        impl<B> $name<B> {
            pub(super) fn original(body: B) -> Self {
                let inner = Inner::Original { body };
                Self { inner }
            }

            pub(super) fn bytes(bytes: Bytes) -> Self {
                let inner = Inner::Bytes { body: bytes.into() };
                Self { inner }
            }
        }

        // For another layer's `same_body`.
        impl<B> From<Bytes> for $name<B> {
            fn from(bytes: Bytes) -> Self {
                Self::bytes(bytes)
            }
        }

        impl<B: From<Bytes>> $name<B> {
            /// Converts into a body of the original type: the original one, or one made of the bytes.
            #[must_use]
            pub fn into_inner(self) -> B {
                self.inner.into_body()
            }
        }

        impl<B: Body> Body for $name<B> {
            type Data = Bytes;
            type Error = B::Error;

            fn poll_frame(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
                self.project().inner.poll_frame(cx)
            }

            fn is_end_stream(&self) -> bool {
                self.inner.is_end_stream()
            }

            fn size_hint(&self) -> SizeHint {
                self.inner.size_hint()
            }
        }

        impl<B> fmt::Debug for $name<B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

body! {
    /// The body of a request behind the layer. It is the bytes of a callback, to be read again, or the
    /// original body of a request that passed through.
    ///
    /// Behind two layers it is a `RequestBody` of a `RequestBody`. So make a handler generic over the
    /// body, or keep the type as it was by [`same_body`](crate::CallbackLayer::same_body).
    RequestBody
}

body! {
    /// The body of a response of the layer. It is the inner service's, or the envelope of a rejection.
    ResponseBody
}

/// Outer layers that make responses, such as tower-http's `TimeoutLayer`, need it.
impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::original(B::default())
    }
}

pin_project! {
    #[derive(Clone)]
    #[project = InnerProj]
    enum Inner<B> {
        Original { #[pin] body: B },
        Bytes { #[pin] body: Full<Bytes> },
    }
}

impl<B: From<Bytes>> Inner<B> {
    fn into_body(self) -> B {
        match self {
            Self::Original { body } => body,
            Self::Bytes { body } => body.into_inner().unwrap_or_default().into(),
        }
    }
}

impl<B: Body> Body for Inner<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project() {
            InnerProj::Original { body } => {
                let to_bytes = |mut data: B::Data| data.copy_to_bytes(data.remaining());
                body.poll_frame(cx).map_ok(|frame| frame.map_data(to_bytes))
            }
            InnerProj::Bytes { body } => body.poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Original { body } => body.is_end_stream(),
            Self::Bytes { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Original { body } => body.size_hint(),
            Self::Bytes { body } => body.size_hint(),
        }
    }
}
